"""Ctrl-C and SIGTERM end a run, also where a library loses the exception that they raise.

PyTorch's exporter and an import of Triton do: the run would go on as if nobody had asked.
"""

from __future__ import annotations

import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager

TERMINATED = 143

_asked: int | None = None


def listen() -> None:
    """Take both signals from here on; a stop that was asked for before is forgotten."""
    global _asked
    _asked = None
    signal.signal(signal.SIGTERM, _stop)
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:  # else `nohup`, or a host
        signal.signal(signal.SIGINT, _stop)


def let_go() -> None:
    """From here on a signal ends the process at once: it is ending, and has nothing to clean up."""
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    if signal.getsignal(signal.SIGINT) is _stop:
        signal.signal(signal.SIGINT, signal.SIG_DFL)


def stop_if_asked() -> None:
    """Raise again what a signal raised.

    Raises:
        KeyboardInterrupt: after SIGINT.
        SystemExit: with 143, after SIGTERM.
    """
    # As exceptions, so that temporary files are removed on the way out.
    if _asked == signal.SIGINT:
        raise KeyboardInterrupt
    if _asked == signal.SIGTERM:
        sys.exit(TERMINATED)


@contextmanager
def ends_if_asked() -> Iterator[None]:
    """A block that ends with the stop that was asked for within it, whatever else came of it."""
    try:
        yield
    finally:
        stop_if_asked()


def _stop(number: int, _frame: object) -> None:
    global _asked
    _asked = number
    stop_if_asked()
