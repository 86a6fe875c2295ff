"""`vmamba-deploy build`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from vmamba_deploy.cli.parameters import engine_options
from vmamba_deploy.cli.reporting import reporting

if TYPE_CHECKING:
    from vmamba_deploy.cli.terminal import Terminal
    from vmamba_deploy.runtimes.tensorrt.plan import EnginePlan


@click.command("build")
@click.argument("path", type=click.Path(path_type=Path))
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path),
    help="Artefact folder; default: PATH itself if it is one, else <name>-engine beside the file.",
)
@reporting
@engine_options
def command(terminal: Terminal, *, path: Path, output: Path | None, engine: EnginePlan) -> None:
    """Build a TensorRT engine from PATH, an exported ONNX file or an artefact folder."""
    from vmamba_deploy.cli.summary import files_table
    from vmamba_deploy.pipeline.requirements import require_for_export

    require_for_export(engine)
    from vmamba_deploy.pipeline.engine import run_build

    folder, manifest = run_build(path, output, engine, terminal.on_event)
    terminal.show(files_table(folder, manifest))
    built = manifest.engine
    terminal.verdict(
        f"{built.flavour} {built.version} engine with {built.plugin_layers} plugin layers "
        f"in {folder}; run `vmamba-deploy compare {folder}` to prove it",
        good=True,
    )
    terminal.result({"folder": folder, "engine": built.as_json(), "files": manifest.files})
