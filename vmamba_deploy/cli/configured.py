"""A command whose options may stand in a TOML file: `--config FILE`, under the same rules."""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import click

from vmamba_deploy.cli import words
from vmamba_deploy.errors import VmambaError
from vmamba_deploy.files import read_file, shown
from vmamba_deploy.models.class_names import DATA_SETS
from vmamba_deploy.precisions import PRECISIONS
from vmamba_deploy.quantization.plan import PHOTOS

Written = bool | int | float | str | list[str]
"""A value as a file has it."""

_MAX_BYTES = 1 << 20
_CONFIG = "config"
_ASKED = f"{__name__}.asked"
# What is of a single run, not of what it makes.
_OF_A_RUN = frozenset({_CONFIG, "output", "json", "verbose", "quiet", "help"})
# Texts that are paths, unless they are one of these words.
_PATHS: Mapping[str, frozenset[str]] = {
    "weights": frozenset({"random"}),
    "labels": frozenset(DATA_SETS),
    "calibrate": frozenset({PHOTOS}),
    "network": frozenset(),
}
_PRECISION_OPTIONS = frozenset({"precision", *PRECISIONS})


class WrongConfigError(click.UsageError):
    """A file of options with something that the command line would refuse as well."""

    def __init__(self, path: Path, problem: str, context: click.Context, hint: str) -> None:
        super().__init__(f"{shown(path)}: {problem}", context)
        self.hint = hint


class ConfiguredCommand(click.Command):
    """Takes from the file what the command line leaves open, through click's own conversion."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """As click does, with the file's values for defaults."""
        given, _, _ = self.make_parser(ctx).parse_args(args=list(args))
        options, said = _options(self), dict[str, Any]()
        typed = {key: given[one.name] for key, one in options.items() if one.name in given}
        if _CONFIG in typed and not ctx.resilient_parsing:
            said = _values_of(Path(typed[_CONFIG]), ctx)
        # A precision has several options: one of the command line takes the place of all.
        if typed.keys() & _PRECISION_OPTIONS:
            said = {key: value for key, value in said.items() if key not in _PRECISION_OPTIONS}
        ctx.default_map = {options[key].name or key: value for key, value in said.items()}
        ctx.meta[_ASKED] = said | typed
        return super().parse_args(ctx, args)


def config_option(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add `--config` to a `ConfiguredCommand`."""
    return click.option(
        "--config",
        type=click.Path(exists=True, dir_okay=False, path_type=Path),
        expose_value=False,
        help="TOML file with any of these options by their long names; paths in it are relative to "
        "it. The command line goes before it. Each run writes its own, export.toml.",
    )(command)


def asked_values(ctx: click.Context) -> dict[str, Written]:
    """What file and command line say together, by long names, as a file would have it."""
    options, asked = _options(ctx.command), ctx.meta[_ASKED]
    return {
        key: _typed(options[key], value) for key, value in asked.items() if key not in _OF_A_RUN
    }


def path_options(ctx: click.Context) -> Iterator[tuple[str, frozenset[str]]]:
    """Long names of the options that are paths, with the words that stand for none."""
    for key, option in _options(ctx.command).items():
        if key in _PATHS or isinstance(option.type, click.Path):
            yield key, _PATHS.get(key, frozenset())


def _options(command: click.Command) -> dict[str, click.Option]:
    """By their long names, without dashes before them."""
    return {
        name.removeprefix("--"): option
        for option in command.params
        if isinstance(option, click.Option)
        for name in option.opts
        if name.startswith("--")
    }


def _values_of(path: Path, ctx: click.Context) -> dict[str, Any]:
    """What the file says, by long names, as click takes values; each converts."""
    hint = f"{ctx.command_path} --help shows every option"
    try:
        text = read_file(path, what="a file of options", limit_bytes=_MAX_BYTES).decode("utf-8")
        document = tomllib.loads(text)
    except VmambaError as error:
        raise WrongConfigError(path, error.message, ctx, hint) from error
    except ValueError as error:
        expected = "TOML has lines such as fp16 = true and weights = 'w.pth'"
        raise WrongConfigError(path, f"is no TOML: {error}", ctx, expected) from error
    options, values = _options(ctx.command), {}
    paths = dict(path_options(ctx))
    for key, value in document.items():
        name = words.ours(key.replace("_", "-"))
        if name not in options or name == _CONFIG:
            raise WrongConfigError(path, f"there is no option {key}", ctx, hint)
        if name in values:
            raise WrongConfigError(path, f"{key} says {name} again", ctx, "leave one of them out")
        values[name] = _checked(path, key, options[name], value, ctx)
        if name in paths and values[name] not in paths[name]:
            values[name] = _beside(path, values[name])
    return values


def _checked(path: Path, key: str, option: click.Option, value: Any, ctx: click.Context) -> Any:
    """A value as click takes it; its own conversion judges it."""
    try:
        taken = _as_click_takes(option, value)
        option.type_cast_value(ctx, taken)
    except click.BadParameter as error:
        raise WrongConfigError(
            path, f"{key}: {error.message}", ctx, _expected(option, ctx)
        ) from error
    except TypeError as error:
        problem = f"{key} = {str(value)[:80]!r} has the wrong type"
        raise WrongConfigError(path, problem, ctx, _expected(option, ctx)) from error
    return taken


def _as_click_takes(option: click.Option, value: Any) -> Any:
    """Texts, as from a command line; booleans of flags.

    Raises:
        TypeError: the option has no such values.
    """
    if option.is_flag:
        if isinstance(value, bool):
            return value
        raise TypeError
    if option.multiple:
        return [_scalar(option, each) for each in (value if isinstance(value, list) else [value])]
    separator = getattr(option.type, "separator", None)
    if isinstance(value, list) and separator is not None:
        return separator.join(_scalar(option, each) for each in value)
    return _scalar(option, value)


def _scalar(option: click.Option, value: Any) -> str:
    numbers = not isinstance(option.type, click.Choice | click.Path | type(click.STRING))
    if isinstance(value, str):
        return value
    if isinstance(value, int | float) and not isinstance(value, bool) and numbers:
        return str(value)
    raise TypeError


def _expected(option: click.Option, ctx: click.Context) -> str:
    if option.is_flag:
        return "expected true or false"
    what = option.make_metavar(ctx)
    return f"expected {'a list of texts ' if option.multiple else ''}{what}"


def _beside(path: Path, value: Any) -> Any:
    """A path of the file is relative to its folder; an address is none."""
    return value if "://" in value else str(path.parent / value)


def _typed(option: click.Option, value: Any) -> Written:
    """Numbers as such: the command line has texts alone."""
    if isinstance(value, tuple | list):
        return [str(each) for each in value]
    for kind, made in ((click.types.FloatParamType, float), (click.types.IntParamType, int)):
        if isinstance(option.type, kind) and not isinstance(value, bool):
            return made(value)
    return bool(value) if option.is_flag else str(value)
