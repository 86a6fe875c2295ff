"""The group of commands, and what happens around every one of them."""

from __future__ import annotations

import json
import shlex
import sys
from collections.abc import Sequence
from importlib import import_module

import click

import vmamba_deploy
from vmamba_deploy.addresses import without_secrets
from vmamba_deploy.cli import stopping, words
from vmamba_deploy.cli.mistakes import UnknownCommand, explained, print_error
from vmamba_deploy.cli.streams import outlive_readers

INTERRUPTED = 130

EXIT_CODES = """\b
Exit codes:
  0  what was asked for was done, and no runtime that ran disagrees
  1  a bug of this program
  2  usage: an argument that makes no sense
  3  an input file cannot be read or does not hold what it should
  4  environment: something must be installed first
  5  the export or a build failed
  6  parity failed, or a required runtime did not run
  7  integrity: an artefact is not what its manifest says
  8  resources: disk, memory or a lock
  130  interrupted, 143 by SIGTERM; nothing half-written stays"""

_COMMANDS = {
    "export": "Export a VMamba model: ONNX file, TensorRT engine, parity report.",
    "build": "Build a TensorRT engine from an exported ONNX file.",
    "compare": "Compare exported files with PyTorch.",
    "evaluate": "Measure the accuracy of an artefact folder on labelled images.",
    "predict": "Show the most probable classes of some images.",
    "package": "Write a model repository of Triton Inference Server.",
    "bench": "Measure latencies of the runtimes, interleaved, on this machine.",
    "analyze": "Measure receptive fields, and what larger images cost, as the paper does.",
    "models": "List the presets with task, image size and published accuracy.",
    "info": "Say what an artefact folder or a file is: ONNX, engine, checkpoint, library.",
    "doctor": "Say what is installed, what can run here and what is missing.",
}


class _LazyGroup(click.Group):
    """Imports a command's module when it is called: `--help` must not wait for the others."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in _COMMANDS:
            return None
        module = import_module(f"vmamba_deploy.cli.commands.{cmd_name}")
        command: click.Command = module.command
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        name = words.ours(args[0])
        if name not in _COMMANDS and not name.startswith("-") and not ctx.resilient_parsing:
            raise UnknownCommand(name, ctx, self.list_commands(ctx))
        return super().resolve_command(ctx, [name, *args[1:]])

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(_COMMANDS.items()))


@click.group(
    cls=_LazyGroup,
    epilog=EXIT_CODES,
    context_settings={
        "help_option_names": ["-h", "--help"],
        "max_content_width": 100,
        "token_normalize_func": words.ours,
    },
)
@click.version_option(vmamba_deploy.__version__, prog_name="vmamba-deploy")
def cli() -> None:
    """VMamba vision models in production: one ONNX file, a TensorRT engine, and what was proven."""


def main(arguments: Sequence[str] | None = None, *, command: str | None = None) -> None:
    """Run the command line and end the process with its exit code.

    Args:
        arguments: default: those of the process.
        command: run this command, for a script that is one command alone.
    """
    stopping.listen()
    outlive_readers()
    given = list(sys.argv[1:] if arguments is None else arguments)
    called: click.Command = cli
    try:
        if command is not None:
            called = import_module(f"vmamba_deploy.cli.commands.{command}").command
        # Not standalone: click would end an interrupted run with 1.
        result = called.main(
            given,
            prog_name=None if command else "vmamba-deploy",
            standalone_mode=False,
            token_normalize_func=words.ours,
            obj=("vmamba-deploy", *([command] if command else []), *given),
        )
    except click.ClickException as error:
        told = explained(error)
        _print_json_error(given, told.message, error.exit_code, hint=told.hint)
        print_error(told)
        sys.exit(error.exit_code)
    except (click.Abort, KeyboardInterrupt):
        _print_json_error(given, "interrupted", INTERRUPTED)
        click.echo("interrupted; nothing half-written stays", err=True)
        sys.exit(INTERRUPTED)
    finally:
        stopping.let_go()
    sys.exit(result if isinstance(result, int) else 0)


def typed_command() -> str | None:
    """The command line of this process, as a shell takes it; None in a process of another's.

    User, password and query of an address are left out, for they may be secrets.
    """
    words: Sequence[str] | None = click.get_current_context().obj
    if words is None:
        return None
    return shlex.join(map(without_secrets, words))


def _print_json_error(
    arguments: Sequence[str], message: str, exit_code: int, *, hint: str | None = None
) -> None:
    """What ends a run from outside a command is told on stdout too where `--json` is asked for."""
    if "--json" in arguments:
        fields = {"message": message, "hint": hint, "exit_code": exit_code}
        click.echo(json.dumps({"event": "error", **fields}))
