"""What TensorRT calls: its log, its progress monitor and its profiler.

All are so made that no exception of ours travels through TensorRT's frames.
"""

from __future__ import annotations

import logging
import queue
import threading
from typing import Any

from vmamba_deploy.runtimes.tensorrt.engine_layers import is_layer_list
from vmamba_deploy.runtimes.tensorrt.plan import Progress

LOGGER = logging.getLogger("vmamba_deploy.tensorrt")
Event = tuple[str, int, int]


def make_logger(trt: Any) -> Any:
    """A TensorRT logger.

    Its attribute `errors` lists what was reported as an error, `layer_lists` the messages that list
    the layers of an engine. TensorRT's information is our debug level: it writes a line per kernel.
    """
    levels = {
        trt.ILogger.INTERNAL_ERROR: logging.ERROR,
        trt.ILogger.ERROR: logging.ERROR,
        trt.ILogger.WARNING: logging.INFO,
        trt.ILogger.INFO: logging.DEBUG,
        trt.ILogger.VERBOSE: logging.DEBUG - 1,
    }

    class Bridge(trt.ILogger):  # type: ignore[misc]
        def __init__(self) -> None:
            trt.ILogger.__init__(self)
            self.errors: list[str] = []
            self.layer_lists: list[str] = []

        def log(self, severity: Any, message: str) -> None:
            level = levels.get(severity, logging.DEBUG)
            if level == logging.ERROR:
                # The caller raises these; logging them too would print them twice.
                self.errors.append(message)
                level = logging.DEBUG
            elif is_layer_list(message):
                self.layer_lists.append(message)
            LOGGER.log(level, "%s", message)

    return Bridge()


class ProgressFeed:
    """Carries events from TensorRT's threads to the caller's, and a cancellation back.

    An exception must never travel through TensorRT's frames, so the monitor only puts events into a
    queue; the caller's thread takes them out and calls whatever it likes.
    """

    def __init__(self) -> None:
        self._events: queue.SimpleQueue[Event] = queue.SimpleQueue()
        self._cancelled = threading.Event()

    @property
    def cancelled(self) -> bool:
        """Whether `cancel` was called."""
        return self._cancelled.is_set()

    def cancel(self) -> None:
        """Make TensorRT stop at its next step."""
        self._cancelled.set()

    def put(self, phase: str, step: int, total: int) -> None:
        """Called from TensorRT's threads."""
        self._events.put((phase, step, total))

    def drain(self, progress: Progress | None) -> None:
        """Hand on what has come in; called from the caller's thread."""
        while not self._events.empty():
            event = self._events.get()
            if progress is not None:
                progress(*event)


def make_profiler(trt: Any) -> Any:
    """An IProfiler; its attribute `layers` lists (name, milliseconds) of all that was executed."""

    class Profiler(trt.IProfiler):  # type: ignore[misc]
        def __init__(self) -> None:
            trt.IProfiler.__init__(self)
            self.layers: list[tuple[str, float]] = []

        def report_layer_time(self, layer_name: str, ms: float) -> None:
            self.layers.append((layer_name, ms))

    return Profiler()


def make_monitor(trt: Any, feed: ProgressFeed) -> Any:
    """An IProgressMonitor that fills `feed` and obeys its cancellation."""

    class Monitor(trt.IProgressMonitor):  # type: ignore[misc]
        def __init__(self) -> None:
            trt.IProgressMonitor.__init__(self)
            self._totals: dict[str, int] = {}

        def phase_start(self, phase_name: str, parent_phase: str | None, num_steps: int) -> None:
            self._totals[phase_name] = num_steps
            feed.put(phase_name, 0, num_steps)

        def step_complete(self, phase_name: str, step: int) -> bool:
            feed.put(phase_name, step, self._totals.get(phase_name, step))
            return not feed.cancelled

        def phase_finish(self, phase_name: str) -> None:
            total = self._totals.pop(phase_name, 0)
            feed.put(phase_name, total, total)

    return Monitor()
