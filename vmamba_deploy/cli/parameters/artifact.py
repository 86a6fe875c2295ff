"""ARTIFACT, the folder that a command opens: its first argument, or `--artifact` as it once was."""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from vmamba_deploy.errors import UsageError

_FOLDER = click.Path(path_type=Path)
_ALIAS = click.option("--artifact", "named", type=_FOLDER, metavar="DIR", hidden=True)


def artifact_argument(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add ARTIFACT; handed over as `artifact`."""

    @functools.wraps(function)
    def taking(*arguments: Any, given: Path | None, named: Path | None, **options: Any) -> Any:
        if given is not None and named is not None:
            raise _twice(given, named)
        folder = given or named
        if folder is None:
            raise UsageError("no artefact folder was given", hint=_hint())
        return function(*arguments, artifact=folder, **options)

    argument = click.argument("given", required=False, metavar="ARTIFACT", type=_FOLDER)
    return argument(_ALIAS(taking))


def artifact_and_images(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add ARTIFACT IMAGE...; handed over as `artifact` and `images`.

    With `--artifact` every argument is an image.
    """

    @functools.wraps(function)
    def taking(*arguments: Any, paths: tuple[Path, ...], named: Path | None, **options: Any) -> Any:
        if not paths:
            missing = "an image" if named else "an artefact folder and an image"
            raise UsageError(f"{missing} must be given", hint=_hint())
        folder, images = (paths[0], paths[1:]) if named is None else (named, paths)
        if named is not None and _is_artifact(paths[0]):
            raise _twice(paths[0], named)
        if not images:
            raise UsageError("no image was given, but one path alone", hint=_hint())
        if named is None and folder.is_file():
            raise UsageError(
                f"{folder} is a file, and the artefact folder comes first", hint=_hint()
            )
        return function(*arguments, artifact=folder, images=images, **options)

    argument = click.argument("paths", nargs=-1, metavar="ARTIFACT IMAGE...", type=_FOLDER)
    return argument(_ALIAS(taking))


def _is_artifact(path: Path) -> bool:
    from vmamba_deploy.artifacts.manifest import MANIFEST_NAME

    return (path / MANIFEST_NAME).is_file()


def _twice(argument: Path, option: Path) -> UsageError:
    return UsageError(
        f"two artefact folders were given: {argument}, and {option} by --artifact",
        hint="leave --artifact out",
    )


def _hint() -> str:
    """How the command is called, as its help says."""
    context = click.get_current_context()
    return " ".join(["write", context.command_path, *context.command.collect_usage_pieces(context)])
