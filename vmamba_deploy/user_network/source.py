"""The user's file: imported, and its function called, when it was named for that.

Importing a file runs it. Nothing here looks for files: the user names one.
"""

from __future__ import annotations

import contextlib
import difflib
import importlib.util
import sys
import traceback
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

from vmamba_deploy.errors import InputFileError, VmambaError, printable
from vmamba_deploy.files import shown
from vmamba_deploy.user_network.request import Builder

if TYPE_CHECKING:
    from torch import nn

_LONGEST = 400


def built_module(builder: Builder, *, seed: int) -> nn.Module:
    """Import the file and call its function; modules beside the file can be imported by it.

    Args:
        builder: the file and the function.
        seed: of PyTorch's random numbers, for a network that is used with the weights that it is
            built with; the global state is left as it was.

    Raises:
        InputFileError: there is no such file or function, it raises, or returns no module.
    """
    import torch
    from torch import nn

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        function = _function(_imported(builder.path), builder)
        with users_code(f"{builder.function}() of {shown(builder.path)}"):
            module = function()
    if not isinstance(module, nn.Module):
        raise InputFileError(
            f"{builder.function}() of {shown(builder.path)} returned {type(module).__name__}, "
            "expected a torch.nn.Module",
            hint="return the network itself",
        )
    return module


@contextlib.contextmanager
def users_code(what: str) -> Iterator[None]:
    """Around code of the user's: its words go to stderr, what it raises becomes one message.

    Args:
        what: runs, as the message names it.

    Raises:
        InputFileError: it raised; the message has the line.
    """
    try:
        # What a program prints to stdout is read by other programs.
        with contextlib.redirect_stdout(sys.stderr):
            yield
    except VmambaError:
        raise
    except (Exception, SystemExit) as error:
        raise InputFileError(f"{what} raised {_told(error)}", hint=_hint(error)) from error


def _told(error: BaseException) -> str:
    """The error in one line, with the place that raised it."""
    lines = str(error).strip().splitlines() or [""]
    text = printable(f"{type(error).__name__}: {lines[0]}".removesuffix(": ")[:_LONGEST])
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if frame.lineno]
    own = [frame for frame in frames if not _of_a_package(frame.filename)]
    last = own[-1] if own else None
    return f"{text} ({Path(last.filename).name}, line {last.lineno})" if last else text


def _of_a_package(filename: str) -> bool:
    parts = Path(filename).parts
    return "site-packages" in parts or Path(__file__).parents[1] in Path(filename).parents


def _hint(error: BaseException) -> str | None:
    if isinstance(error, ModuleNotFoundError) and error.name:
        package = error.name.partition(".")[0]
        return f"install what the file imports: pip install {printable(package)}"
    if isinstance(error, SystemExit):
        return "the file ended the program: guard its script part with if __name__ == '__main__'"
    return None


def _imported(path: Path) -> ModuleType:
    if not path.is_file():
        raise InputFileError(f"there is no file {shown(path)}", hint="--network FILE.py:FUNCTION")
    folder = str(path.resolve().parent)
    if folder not in sys.path:
        sys.path.insert(0, folder)  # as Python does for a script
    # Under its own name it could take the place of a package.
    name = f"_network_of_the_user_{path.stem}"
    spec = importlib.util.spec_from_file_location(name, path.resolve())
    if spec is None or spec.loader is None:
        raise InputFileError(
            f"{shown(path)} is no Python file", hint="--network FILE.py:FUNCTION names one"
        )
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        with users_code(f"importing {shown(path)}"):
            spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise
    return module


def _function(module: ModuleType, builder: Builder) -> Any:
    function = getattr(module, builder.function, None)
    if callable(function):
        return function
    own = [
        name
        for name, value in vars(module).items()
        if callable(value) and getattr(value, "__module__", None) == module.__name__
    ]
    close = difflib.get_close_matches(builder.function, own, n=1)
    has = ", ".join([*close, *(name for name in own if name not in close)][:8])
    raise InputFileError(
        f"{shown(builder.path)} has no function {builder.function}",
        hint=f"it has {has}" if has else "it defines no function and no class",
    )
