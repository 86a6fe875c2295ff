"""Output that nobody reads any more, as after `| head -1`, does not end a run."""

from __future__ import annotations

import io
import os
import sys
from typing import TextIO

from vmamba_deploy.errors import ResourceError


def outlive_readers() -> None:
    """From here on, what is written to a closed stdout or stderr is dropped."""
    sys.stdout = _patient(sys.stdout, sys.__stdout__)
    sys.stderr = _patient(sys.stderr, sys.__stderr__)


class _Output(io.FileIO):
    def write(self, data: object, /) -> int:
        """As `FileIO.write`; where it fails once, the rest goes nowhere.

        Raises:
            ResourceError: the output cannot be written for another reason: its disk is full.
        """
        try:
            return super().write(data)  # type: ignore[arg-type]
        except OSError as error:
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, self.fileno())
            os.close(nowhere)
            if isinstance(error, BrokenPipeError):
                return super().write(data)  # type: ignore[arg-type]
            raise ResourceError(f"the output cannot be written: {error.strerror}") from error


def _patient(stream: TextIO | None, original: TextIO | None) -> TextIO:
    if stream is None:
        # Closed before the start: its number must not become that of a file of ours.
        return os.fdopen(os.open(os.devnull, os.O_RDWR), "w", encoding="utf-8")
    if stream is not original:
        return stream  # somebody's own, a test's for one
    stream.flush()
    raw = _Output(stream.fileno(), "w", closefd=False)
    return io.TextIOWrapper(
        io.BufferedWriter(raw),
        encoding=stream.encoding,
        errors=stream.errors,
        line_buffering=stream.isatty(),
    )
