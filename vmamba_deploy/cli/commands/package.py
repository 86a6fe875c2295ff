"""`vmamba-deploy package`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from vmamba_deploy.cli.parameters import BatchList, artifact_argument
from vmamba_deploy.cli.reporting import reporting
from vmamba_deploy.serving.triton.plan import BACKENDS, DEVICES, TritonPlan

if TYPE_CHECKING:
    from vmamba_deploy.cli.terminal import Terminal


@click.command("package")
@click.option(
    "--triton",
    "repository",
    required=True,
    type=click.Path(path_type=Path),
    metavar="REPO",
    help="Triton's model repository, made if it is missing.",
)
@click.option(
    "--backend",
    type=click.Choice(BACKENDS),
    default="auto",
    show_default=True,
    help="auto: TensorRT if ARTIFACT has an engine for it, else ONNX Runtime.",
)
@click.option("--name", default="vmamba", show_default=True, help="Of the model.")
@click.option(
    "--device",
    type=click.Choice(DEVICES),
    default="auto",
    show_default=True,
    help="auto: a GPU where the server has one.",
)
@click.option(
    "--max-batch",
    type=int,
    metavar="N",
    help="Images of one execution.  [default: the engine's largest batch; 32 elsewhere]",
)
@click.option(
    "--instances", type=int, default=1, show_default=True, help="Of the model, per GPU or CPU."
)
@click.option(
    "--preferred-batch",
    "preferred_batches",
    type=BatchList(),
    default=(),
    help="Sizes at which the batcher waits no longer.  [default: what the engine is tuned for]",
)
@click.option(
    "--max-queue-delay-us",
    type=int,
    default=1000,
    show_default=True,
    help="How long the batcher waits for more images.",
)
@click.option(
    "--with-ensemble/--no-ensemble",
    default=True,
    show_default=True,
    help="Also models that take JPEG or PNG bytes and give labels.",
)
@click.option(
    "--server-path",
    default="/models",
    show_default=True,
    help="Where the server will see REPO; libraries are named by it.",
)
@click.option("--force", is_flag=True, help="Replace the models of an earlier run.")
@reporting
@artifact_argument
def command(terminal: Terminal, **options: Any) -> None:
    """Write a model repository of Triton Inference Server from ARTIFACT, a folder.

    The folder is verified first. The models appear whole or not at all, and nothing that this
    command did not write is replaced.
    """
    from vmamba_deploy.pipeline.events import Steps
    from vmamba_deploy.serving.triton.package import package_for_triton

    plan, steps = TritonPlan(**options), Steps(terminal.on_event)
    with steps.step("package", f"packaging {plan.artifact} for Triton") as told:
        package = package_for_triton(plan, warn=steps.warn)
        told.append(f"{', '.join(package.models)} in {package.repository}")
    terminal.verdict(
        f"{package.backend} package in {package.repository}; start it with: tritonserver "
        f"{' '.join(package.server_options)}",
        good=True,
    )
    terminal.result(vars(package))
