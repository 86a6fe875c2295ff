"""`python -m vmamba_deploy.native`: build the native libraries ahead of their first use."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from vmamba_deploy.errors import ExitCode, VmambaError
from vmamba_deploy.native import LIBRARIES, build


def main(arguments: Sequence[str] | None = None) -> int:
    """Build, print one line per library, and return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m vmamba_deploy.native", description=__doc__)
    parser.add_argument("--archs", help='CUDA architectures: 80 (default), "89;90", all')
    wanted = [name for name, each in LIBRARIES.items() if each.is_wanted]
    parser.add_argument("--targets", nargs="+", choices=list(LIBRARIES), default=wanted)
    options = parser.parse_args(arguments)
    try:
        built = build(options.targets, archs=options.archs, progress=_show)
    except VmambaError as error:
        sys.stderr.write(f"error: {error.message}\n")
        if error.hint:
            sys.stderr.write(f"hint: {error.hint}\n")
        return int(error.exit_code)
    for path in built.values():
        sys.stdout.write(f"{path}\n")
    return int(ExitCode.OK)


def _show(what: str, part: float | None) -> None:
    percent = "" if part is None else f" {part:4.0%}"
    # One line that is written over on a terminal, one line for each step in a log.
    redrawn = sys.stderr.isatty() and part is not None and part < 1
    sys.stderr.write(f"{what}{percent}" + ("\r" if redrawn else "\n"))


if __name__ == "__main__":
    sys.exit(main())
