"""What commands share: `--json`, `-v`, `-q`, and how an error ends them and other programs."""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import click

import vmamba_deploy
from vmamba_deploy.artifacts.atomic import explain_system_error
from vmamba_deploy.cli.mistakes import print_error
from vmamba_deploy.cli.stopping import ends_if_asked
from vmamba_deploy.errors import ExitCode, ResourceError, VmambaError
from vmamba_deploy.extras import failed_import

if TYPE_CHECKING:
    from vmamba_deploy.cli.terminal import Terminal

Body = Callable[..., ExitCode | None]


def reporting(body: Body) -> Callable[..., int]:
    """Give a command's body a `terminal` and turn what it raises into message and exit code.

    The body takes the terminal first, then the command's options by name.
    """

    @click.option(
        "--json", "as_json", is_flag=True, help="JSON lines on stdout, the rest on stderr."
    )
    @click.option("-v", "--verbose", is_flag=True, help="More detail, and tracebacks.")
    @click.option("-q", "--quiet", is_flag=True, help="Only the verdict and errors.")
    @click.version_option(vmamba_deploy.__version__, prog_name="vmamba-deploy")
    @functools.wraps(body)
    def command(*, as_json: bool, verbose: bool, quiet: bool, **options: Any) -> int:
        from vmamba_deploy.cli.terminal import Terminal

        terminal = Terminal(as_json=as_json, verbosity=int(verbose) - int(quiet))
        try:
            with ends_if_asked():
                code = body(terminal, **options)
        except (KeyboardInterrupt, SystemExit):
            terminal.stop_bar()
            raise
        except Exception as error:  # noqa: BLE001 - the last stop before the user
            code = _tell(terminal, error)
        exit_code = int(code or ExitCode.OK)
        click.get_current_context().exit(exit_code)
        return exit_code

    return command


def _tell(terminal: Terminal, error: Exception) -> ExitCode:
    problem = _as_ours(error)
    if problem is None:
        terminal.bug(error)
        return ExitCode.BUG
    if problem is not error:
        problem.__cause__ = error
    terminal.error(problem)
    return problem.exit_code


def _as_ours(error: Exception) -> VmambaError | None:
    """What a user can act on, of whoever raised it; None for a bug."""
    if isinstance(error, VmambaError):
        return error
    if isinstance(error, MemoryError):
        hint = "use a smaller model, image size or largest batch"
        return ResourceError("not enough memory", hint=hint)
    system = explain_system_error(error) if isinstance(error, OSError) else None
    return failed_import(error) or system


def run_program(command: click.Command, name: str) -> None:
    """Run a command of a sample or a benchmark; a user's problem ends it as it ends the product's.

    Args:
        command: takes its arguments from the process.
        name: as the user calls the program, for its help.

    Raises:
        SystemExit: when the command ends; with the error's exit code after message and hint.
    """
    try:
        command(prog_name=name)
    except VmambaError as error:
        print_error(error)
        sys.exit(int(error.exit_code))
