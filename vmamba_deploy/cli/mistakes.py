"""What click finds wrong, told as our own errors are: what it is, and what to write instead."""

from __future__ import annotations

import difflib

import click

from vmamba_deploy.cli import words
from vmamba_deploy.errors import UsageError, VmambaError, printable


class UnknownCommand(click.UsageError):
    """A word where a command was expected."""

    def __init__(self, word: str, context: click.Context, known: list[str]) -> None:
        super().__init__(f"there is no command {word}", context)
        self.word, self.known = word, known


def explained(error: click.ClickException) -> UsageError:
    """The same as an error of ours, with a hint; its exit code is `error.exit_code`."""
    context = getattr(error, "ctx", None)
    if isinstance(error, UnknownCommand):
        return UsageError(error.message, hint=_command_hint(error))
    if isinstance(error, click.NoSuchOption) and context is not None:
        message = f"{context.command_path} has no option {error.option_name}"
        return UsageError(message, hint=_option_hint(error.option_name, context))
    hint = getattr(error, "hint", None) or _help_hint(context)
    return UsageError(_plain(error.format_message()), hint=hint)


def print_error(error: VmambaError) -> None:
    """Tell a user's problem on stderr, message and hint, where no terminal is drawn on."""
    click.echo(printable(f"error: {error.message}", keep="\n"), err=True)
    if error.hint:
        click.echo(printable(f"hint: {error.hint}", keep="\n"), err=True)


def _plain(message: str) -> str:
    """As our messages are: a small letter first, unless it is a name, and no full stop."""
    first, rest = message[:1], message[1:]
    small = first.lower() if rest[:1].islower() else first
    return small + rest.removesuffix(".")


def _help_hint(context: click.Context | None) -> str | None:
    return f"{context.command_path} --help shows what can be written" if context else None


def _command_hint(error: UnknownCommand) -> str:
    close = difflib.get_close_matches(error.word, error.known, n=2)
    meant = words.command_for(error.word) or " or ".join(close)
    if meant:
        return f"did you mean {meant}?"
    return f"the commands are {', '.join(error.known)}"


def _option_hint(option: str, context: click.Context) -> str | None:
    here = _options_of(context.command)
    meant = words.options_for(option)
    named = next((one for one in meant if one in here), None)
    if named is not None:
        return f"it is called {named} here"
    said = words.saying_for(option)
    if said is not None:
        return said
    for one in (*meant, option):
        if having := _commands_with(one, context):
            return f"{one} is an option of {' and '.join(having)}"
    close = difflib.get_close_matches(option, here, n=2)
    return f"did you mean {' or '.join(close)}?" if close else _help_hint(context)


def _commands_with(option: str, context: click.Context) -> list[str]:
    """Commands of the group that have an option: all are imported, for an error alone."""
    group = context.find_root().command
    if not isinstance(group, click.Group):
        return []
    names = group.list_commands(context)
    commands = {name: group.get_command(context, name) for name in names}
    return [name for name, one in commands.items() if one and option in _options_of(one)]


def _options_of(command: click.Command) -> list[str]:
    """What help shows of them."""
    return [
        name
        for each in command.params
        if isinstance(each, click.Option) and not each.hidden
        for name in (*each.opts, *each.secondary_opts)
        if name.startswith("--")
    ]
