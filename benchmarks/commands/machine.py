"""The machine with a GPU, and all that is measured there."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from benchmarks.commands.options import JSON, ON_GPU, give
from benchmarks.texts import rows_text


@click.command()
@ON_GPU
@click.option("--tiny", is_flag=True, hidden=True)
@JSON
def machine(device: str, tiny: bool, json_path: Path | None) -> None:
    """The machine, its tools, and what a copy and a product reach on its GPU."""
    from benchmarks.gpu.machine import describe

    give(rows_text, describe(device), json_path)


@click.command("gpu-check", context_settings={"ignore_unknown_options": True})
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
def gpu_check(arguments: tuple[str, ...]) -> None:
    """The same as `make gpu-check`; takes its options."""
    from benchmarks.gpu_check.__main__ import main as check

    sys.exit(check(arguments))


@click.command("gpu-kit")
@click.option("--arch", default="90", show_default=True, help="CUDA architecture, such as 90.")
@click.option(
    "--output",
    default=Path("build/gpu_kit.tar.gz"),
    show_default=True,
    type=click.Path(path_type=Path, dir_okay=False),
)
def gpu_kit(arch: str, output: Path) -> None:
    """Pack what `make gpu-check` needs on a machine with no network, prebuilt for one GPU."""
    from benchmarks.gpu_check.kit import PREBUILT, TOP, write_kit

    size_bytes = write_kit(output, arch)
    click.echo(
        f"{output}: {size_bytes / 1e6:.1f} MB; there: tar xf {output.name}, cd {TOP}, "
        f"python3 -m benchmarks.gpu_check --prebuilt {PREBUILT}"
    )
