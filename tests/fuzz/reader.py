"""What the Python harnesses share: atheris, and the promise that every reader makes.

A harness is run as `python -m tests.fuzz.manifest [libFuzzer's options] CORPUS`.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import atheris

from vmamba_deploy.errors import ExitCode, VmambaError


def fuzz(use: Callable[[bytes, Path], object]) -> None:
    """Call `use` with inputs and a folder; it may raise an error that a user can act on, no other.

    The process ends here; its folder stays behind in TMPDIR. Functions that were imported within
    `atheris.instrument_imports` steer the search.
    """
    folder = Path(tempfile.mkdtemp())

    def run(data: bytes) -> None:
        refused: VmambaError | None = None
        try:
            use(data, folder)
        except VmambaError as error:
            refused = error
        assert refused is None or refused.exit_code != ExitCode.BUG, refused
        assert refused is None or refused.message.replace("\n", "").isprintable(), refused

    atheris.Setup(sys.argv, run)
    atheris.Fuzz()
