"""`python -m benchmarks.kernel_model`: see the commands' help."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from benchmarks.kernel_model.listing import loop_tables
from benchmarks.kernel_model.tools import ARCHITECTURES, kernel_sources, machine_code
from vmamba_deploy.errors import VmambaError


@click.group()
def main() -> None:
    """What the CUDA kernels cost, read from their machine code."""


@main.command()
@click.argument("source", type=click.Path(path_type=Path, exists=True, dir_okay=False), nargs=-1)
@click.option("--arch", default="90", show_default=True, help="Such as 90, or 80,90, or all.")
@click.option("--kernel", default="", help="Only kernels whose name has this pattern.")
@click.option("--opcodes", is_flag=True, help="Also count by opcode.")
@click.option("--per", default=1.0, help="Divide by this, such as a thread's elements of a pass.")
@click.option("-I", "--include", multiple=True, type=click.Path(path_type=Path, exists=True))
def sass(
    source: tuple[Path, ...],
    arch: str,
    kernel: str,
    opcodes: bool,
    per: float,
    include: tuple[Path, ...],
) -> None:
    """Print each loop's instructions by class, for SOURCE or for the op's own kernels."""
    architectures = ARCHITECTURES if arch == "all" else [int(each) for each in arch.split(",")]
    for code in machine_code(source or kernel_sources(), architectures, include=include):
        click.echo(loop_tables(code, pattern=kernel, opcodes=opcodes, per=per))


if __name__ == "__main__":
    try:
        main.main(prog_name="python -m benchmarks.kernel_model", standalone_mode=True)
    except VmambaError as error:
        click.echo(f"error: {error.message}", err=True)
        if error.hint:
            click.echo(f"hint: {error.hint}", err=True)
        sys.exit(int(error.exit_code))
