"""The errors a user can meet, each with the exit code that the command line ends with."""

from __future__ import annotations

from enum import IntEnum


class ExitCode(IntEnum):
    """Exit codes of every command of this package."""

    OK = 0
    BUG = 1
    USAGE = 2
    BAD_INPUT = 3
    ENVIRONMENT = 4
    BUILD_FAILED = 5
    PARITY_FAILED = 6
    INTEGRITY = 7
    RESOURCES = 8


class VmambaError(Exception):
    """A problem that the user can act on.

    Args:
        message: what was wrong and what was expected, in one sentence or a short block.
        hint: what to do about it; printed on a line of its own.
    """

    exit_code = ExitCode.BUG

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class UsageError(VmambaError):
    """An argument that makes no sense: unknown preset, batch 0, image too small."""

    exit_code = ExitCode.USAGE


class InputFileError(VmambaError):
    """A file of the user's that cannot be read, or does not hold what it should."""

    exit_code = ExitCode.BAD_INPUT


class EnvironmentProblem(VmambaError):  # noqa: N818  EnvironmentError is a builtin
    """Something that must be installed or present on this machine is not."""

    exit_code = ExitCode.ENVIRONMENT


class BuildError(VmambaError):
    """An export, an engine build or a native build failed."""

    exit_code = ExitCode.BUILD_FAILED


class ParityError(VmambaError):
    """An artefact disagrees with the PyTorch reference by more than its threshold."""

    exit_code = ExitCode.PARITY_FAILED


class IntegrityError(VmambaError):
    """An artefact is not the one that its manifest describes."""

    exit_code = ExitCode.INTEGRITY


class ResourceError(VmambaError):
    """Disk, memory or a lock that could not be had."""

    exit_code = ExitCode.RESOURCES


class ClosedError(VmambaError):
    """A call of a model or session after `close`, or one that would have begun during it."""


def printable(text: str, *, keep: str = "") -> str:
    """Text that comes from a file, safe in a message: what a terminal would obey is escaped.

    Args:
        text: any.
        keep: characters that stay nevertheless: an end of line.
    """
    if text.isprintable():
        return text
    return "".join(one if one.isprintable() or one in keep else ascii(one)[1:-1] for one in text)
