"""Programs of one click command outside of `vmamba-deploy`: samples and benchmarks."""

from __future__ import annotations

import sys

import click

from vmamba_deploy.errors import VmambaError


def run_program(command: click.Command, name: str) -> None:
    """Run a command; a problem that the user can act on ends it as it ends those of the product.

    Args:
        command: takes its arguments from the process.
        name: as the user calls the program, for its help.

    Raises:
        SystemExit: when the command ends; with the error's exit code after message and hint.
    """
    try:
        command(prog_name=name)
    except VmambaError as error:
        click.echo(f"error: {error.message}", err=True)
        if error.hint:
            click.echo(f"hint: {error.hint}", err=True)
        sys.exit(int(error.exit_code))
