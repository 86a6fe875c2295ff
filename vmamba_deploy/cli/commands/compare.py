"""`vmamba-deploy compare`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from vmamba_deploy.cli.app import typed_command
from vmamba_deploy.cli.parameters import (
    BatchList,
    network_option,
    require_option,
    weights_options,
)
from vmamba_deploy.cli.reporting import reporting
from vmamba_deploy.errors import ExitCode

if TYPE_CHECKING:
    from vmamba_deploy.cli.terminal import Terminal
    from vmamba_deploy.parity.elements import Tolerance
    from vmamba_deploy.user_network.request import Builder

_USUAL_TOLERANCE = 1e-5


@click.command("compare")
@click.argument("path", type=click.Path(path_type=Path))
@click.option(
    "--batch",
    type=BatchList(),
    help="Batch sizes.  [default: 1,8; for segmentation and detection 1]",
)
@click.option(
    "--against",
    type=click.Path(path_type=Path),
    metavar="FILE.onnx|FOLDER",
    help="Compare with this artefact in ONNX Runtime, in place of PyTorch; needs no weights.",
)
@click.option(
    "--images",
    type=click.Path(path_type=Path),
    metavar="FOLDER",
    help="Compare on these images as well, prepared as the file says; or on arrays by the names of "
    "the inputs, in a .npz file or a folder of them.",
)
@click.option(
    "--limit",
    type=click.IntRange(1),
    default=64,
    show_default=True,
    help="Take so many images at most, evenly spread.",
)
@click.option(
    "--atol",
    type=click.FloatRange(0, max=1e30),
    help="Judge every element too: abs(a - b) <= atol + rtol * abs(b), b is the reference's.  "
    "[default: with --rtol 1e-5]",
)
@click.option(
    "--rtol", type=click.FloatRange(0, max=1e30), help="Likewise.  [default: with --atol 1e-5]"
)
@click.option("--weights", help="Weights for PyTorch, when they have moved.")
@click.option("--seed", type=click.IntRange(0, 2**63 - 1), default=0, help="Of the random inputs.")
@click.option(
    "--report",
    type=click.Path(file_okay=False, path_type=Path),
    help="Folder to write report.json and report.html to.",
)
@click.option(
    "--save-polygraphy",
    "polygraphy",
    metavar="PREFIX",
    type=click.Path(path_type=Path),
    help="Save PREFIX-inputs.json and PREFIX-outputs.json for `polygraphy run`.",
)
@require_option
@reporting
@network_option
@weights_options
def command(
    terminal: Terminal,
    *,
    path: Path,
    batch: tuple[int, ...] | None,
    network: Builder | None,
    atol: float | None,
    rtol: float | None,
    **options: Any,
) -> ExitCode:
    """Compare PATH, an artefact folder or an ONNX file, with PyTorch in fp32, or with another one.

    The folder is verified against its manifest first. Of a quantized file the base is exported anew
    and compared as well. Ends with 6 when a runtime disagrees, or
    one that --require names did not run.
    """
    from vmamba_deploy.cli.summary import parity_table, proof_table
    from vmamba_deploy.pipeline.compare import run_compare

    outcome = run_compare(
        path,
        terminal.on_event,
        batches=batch,
        builder=network,
        command=typed_command(),
        tolerance=_tolerance(atol, rtol),
        **options,
    )
    terminal.show(parity_table(outcome.parity, outcome.verdict.reference))
    if outcome.proof is not None:
        terminal.show(proof_table(outcome.proof))
    said = f"{path}: {outcome.verdict.sentence}"
    terminal.verdict(said, good=outcome.exit_code == ExitCode.OK)
    terminal.result(outcome.as_json())
    return outcome.exit_code


def _tolerance(atol: float | None, rtol: float | None) -> Tolerance | None:
    """As polygraphy has it: what is not given is 1e-5; None where neither is."""
    from vmamba_deploy.parity.elements import Tolerance

    if atol is None and rtol is None:
        return None
    return Tolerance(*(_USUAL_TOLERANCE if one is None else one for one in (atol, rtol)))
