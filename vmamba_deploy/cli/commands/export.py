"""`vmamba-deploy export`, also `python export.py`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from vmamba_deploy.cli.app import EXIT_CODES
from vmamba_deploy.cli.configured import (
    ConfiguredCommand,
    asked_values,
    config_option,
    path_options,
)
from vmamba_deploy.cli.parameters import (
    ImageSize,
    Names,
    engine_options,
    network_option,
    pop_precision,
    pop_quantization,
    precision_flags,
    preprocessing_options,
    quantization_options,
    require_option,
    weights_options,
)
from vmamba_deploy.cli.reporting import reporting
from vmamba_deploy.errors import ExitCode, UsageError
from vmamba_deploy.tasks import TASKS
from vmamba_deploy.tasks.classification import ACTIVATIONS
from vmamba_deploy.user_network.request import (
    Interface,
    parsed_free_axes,
    parsed_input,
    parsed_outputs,
)

if TYPE_CHECKING:
    from vmamba_deploy.cli.terminal import Terminal
    from vmamba_deploy.pipeline.plan import UserNetworkPlan


def _presets(_context: click.Context, _option: click.Parameter, begun: str) -> list[str]:
    from vmamba_deploy.models.catalogue import catalogue

    return [one.name for one in catalogue() if one.name.startswith(begun)]


@click.command("export", cls=ConfiguredCommand, epilog=EXIT_CODES)
@click.option(
    "-m",
    "--model",
    shell_complete=_presets,
    help="Preset or alias: t, s, b, vmamba_tiny_s1l8, ...; `vmamba-deploy models` lists them.",
)
@click.option(
    "--input",
    "inputs",
    multiple=True,
    metavar="NAME=SHAPE[:DTYPE[:LOW..HIGH]]",
    help="Of --network, each input of forward(): image=1x3x256x256, ids=1x16:int64:0..999.",
)
@click.option(
    "--dynamic",
    multiple=True,
    metavar="NAME=AXES",
    help="Of --network, its free axes: image=0,2,3, with names image=0:batch,2:h,3:w, or none.  "
    "[default: the batch, where the first axis of every input is as long]",
)
@click.option(
    "--weights",
    default="random",
    show_default=True,
    help="Checkpoint file, https URL, or 'random'. Without --model its shapes tell the network.",
)
@click.option(
    "--task",
    type=click.Choice(tuple(TASKS)),
    help="What the file is for.  [default: what the weights are for; features of a backbone alone]",
)
@click.option(
    "--outputs",
    type=Names(),
    default="",
    help="Further outputs: labels,logits also gives a segmentation's logits at a quarter of the "
    "size. Of --network: names and kinds, logits:logits,sr:image.",
)
@click.option(
    "--activation",
    type=click.Choice(ACTIVATIONS),
    help="What makes probabilities of logits.  [default: softmax, of a single logit sigmoid]",
)
@click.option(
    "--labels",
    metavar="FILE|imagenet-1k|coco|ade20k",
    help="What the classes are called: a text file with one name a line, JSON, or CSV (index,name)."
    "  [default: the weights' own names]",
)
@precision_flags
@quantization_options
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path),
    help="Artefact folder.  [default: artifacts/NAME-PRECISION, where NAME is the preset, else the "
    "name of the weights file or of --network's file]",
)
@click.option(
    "--image-size",
    type=ImageSize(),
    help="Side or height x width in pixels, from 32 on; default: the weights' own, else 224, for "
    "segmentation 512, for detection 800x1088.",
)
@click.option("--dynamic-size", is_flag=True, help="Leave height and width free.")
@click.option("--preprocess", is_flag=True, help="Take uint8 NHWC, normalise in the graph.")
@click.option("--inline", is_flag=True, help="Standard ops alone, no functions; no engine.")
@click.option("--opset", type=int, help="ONNX op set; default: the lowest that fits (20 or 22).")
@click.option("--seed", type=click.IntRange(0, 2**63 - 1), default=0, help="Of random weights.")
@click.option("--num-classes", type=int, help="Of random weights; default: as published.")
@click.option("--no-engine", is_flag=True, help="Do not build a TensorRT engine.")
@click.option("--aoti", is_flag=True, help="Also compile a package for PyTorch's AOTInductor.")
@click.option(
    "--aoti-device",
    type=click.Choice(["auto", "cpu", "cuda"]),
    default="auto",
    show_default=True,
    help="What to compile it for; auto: CUDA where PyTorch sees a GPU.",
)
@click.option("--no-parity", is_flag=True, help="Do not compare with PyTorch.")
@require_option
@config_option
@reporting
@network_option
@weights_options
@preprocessing_options
@engine_options
def command(terminal: Terminal, **options: Any) -> ExitCode:
    """Export a VMamba model: ONNX file, TensorRT engine, manifest and parity report.

    With --network FILE.py:FUNCTION a network of your own, which FILE.py is run for.

    The files appear in the output folder all at once, and only after they agreed with PyTorch.
    """
    from vmamba_deploy.cli.summary import show_export
    from vmamba_deploy.pipeline.asked_options import AskedOptions
    from vmamba_deploy.pipeline.plan import ExportPlan

    context = click.get_current_context()
    options["network"] = _network(options)
    if options["labels"] is not None:
        from vmamba_deploy.models.labels import asked_labels

        options["labels"] = asked_labels(options["labels"])
    plan = ExportPlan(
        precision=pop_precision(options),
        quantization=pop_quantization(options),
        build_engine=not options.pop("no_engine"),
        check_parity=not options.pop("no_parity"),
        asked=AskedOptions(asked_values(context), dict(path_options(context))),
        **options,
    )
    from vmamba_deploy.pipeline.requirements import require_for_export

    require_for_export(plan.engine if plan.build_engine else None)
    from vmamba_deploy.pipeline.export import run_export

    outcome = run_export(plan, terminal.on_event)
    show_export(terminal, outcome)
    terminal.result(outcome.as_json())
    return outcome.exit_code


def _network(options: dict[str, Any]) -> UserNetworkPlan | None:
    """Take what is said of a user's network out of the options.

    Raises:
        UsageError: it cannot be understood, or is said of no network.
    """
    from vmamba_deploy.pipeline.plan import UserNetworkPlan

    builder, inputs, free = (options.pop(name) for name in ("network", "inputs", "dynamic"))
    if builder is None:
        if inputs or free:
            option = "--input" if inputs else "--dynamic"
            raise UsageError(
                f"{option} is of a network of your own", hint="name it: --network FILE.py:FUNCTION"
            )
        return None
    interface = Interface(
        tuple(map(parsed_input, inputs)),
        parsed_free_axes(free),
        parsed_outputs(options.pop("outputs")),
    )
    return UserNetworkPlan(builder, interface)
