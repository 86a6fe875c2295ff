"""How far a run is: a bar with the time left on a terminal, elsewhere a line every ten seconds."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console
    from rich.text import Text

    from vmamba_deploy.pipeline.events import Event

Clock = Callable[[], float]
Wait = Callable[[float], bool]
"""Waits so many seconds, or until it is to end: True then."""

SECONDS_BETWEEN_LINES = 10.0
# From less than so much of a step, and in less time, nothing is to be told of the rest.
_LEAST_SHARE, _LEAST_SECONDS = 0.05, 1.0


class Standing:
    """Where a step stands.

    Args:
        begun: the event that it began with.
        clock: seconds, from any moment on.

    Attributes:
        message: of the latest event.
        fraction: of the step that is done, 0 to 1; None: nobody knows.
    """

    def __init__(self, begun: Event, clock: Clock = time.monotonic) -> None:
        self.message, self.fraction = begun.message, begun.fraction
        self._number, self._count = begun.number, begun.count
        self._clock = clock
        self._began = clock()
        self._from = self._began, 0.0
        self._ends: float | None = None

    def move(self, event: Event) -> None:
        """Take what an event tells."""
        now, before = self._clock(), self.fraction
        self.message, self.fraction = event.message, event.fraction
        if event.fraction is None or event.fraction < (before or 0.0):
            # Another part of the step, with a pace of its own.
            self._from, self._ends = (now, event.fraction or 0.0), None
            return
        since, start = self._from
        done = event.fraction - start
        if done >= _LEAST_SHARE and now - since >= _LEAST_SECONDS:
            self._ends = now + (now - since) * (1 - event.fraction) / done

    @property
    def title(self) -> str:
        """The message, behind the number of the step where the run knows how many it has."""
        if self._number is None:
            return self.message
        return f"step {self._number} of {self._count}: {self.message}"

    @property
    def share(self) -> float | None:
        """Of the run that is done, where it knows its steps; else of the step."""
        if self._number is None or self._count is None:
            return self.fraction
        return (self._number - 1 + (self.fraction or 0.0)) / self._count

    @property
    def rest(self) -> str:
        """How much of the step is done, and how long the rest may take; empty: nobody knows."""
        if self.fraction is None:
            return ""
        told = f"{self.fraction:.0%}"
        left = 0.0 if self._ends is None else self._ends - self._clock()
        # A step that takes longer than its pace said: nobody knows how long.
        return f"{told}, about {_shown(left)} left" if left > 0 else told

    @property
    def line(self) -> str:
        """All of it in a line, with the time that the step has taken."""
        taken = _shown(self._clock() - self._began)
        return ", ".join(part for part in (self.title, self.rest, taken) if part)


class Bar:
    """A bar on a terminal.

    Args:
        console: of rich; what is printed on it stands above the bar.
        standing: that is drawn, as it is at each moment.
    """

    def __init__(self, console: Console, standing: Standing) -> None:
        from rich import progress
        from rich.text import Text

        class Rest(progress.ProgressColumn):
            def render(self, task: progress.Task) -> Text:
                return Text(standing.rest)

        self._standing = standing
        self._drawn = progress.Progress(
            progress.SpinnerColumn(),
            progress.TextColumn("{task.description}", markup=False),
            progress.BarColumn(30),
            Rest(),
            progress.TimeElapsedColumn(),
            console=console,
            transient=True,
        )
        self._task = self._drawn.add_task(standing.title, total=None)
        self.move()
        self._drawn.start()

    def move(self) -> None:
        """Draw what the standing has become."""
        share = self._standing.share
        self._drawn.update(
            self._task,
            description=self._standing.title,
            total=None if share is None else 1.0,
            completed=share or 0.0,
        )

    def stop(self) -> None:
        """Remove it."""
        self._drawn.stop()


class Lines:
    """A line every ten seconds, in a log; a shorter step writes none.

    A thread of its own writes them, for a step may be silent for a minute; it ends with the step.

    Args:
        write: takes a line.
        standing: that is told.
        wait: for tests.
    """

    def __init__(
        self, write: Callable[[str], None], standing: Standing, wait: Wait | None = None
    ) -> None:
        self._write, self._standing = write, standing
        self._ended = threading.Event()
        self._wait = wait or self._ended.wait
        self._thread = threading.Thread(target=self._run, name="progress", daemon=True)
        self._thread.start()

    def move(self) -> None:
        """The next line tells it."""

    def stop(self) -> None:
        """End the thread."""
        self._ended.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._wait(SECONDS_BETWEEN_LINES):
            self._write(self._standing.line)


def _shown(seconds: float) -> str:
    whole = round(seconds)
    return f"{whole} s" if whole < 120 else f"{whole // 60} min {whole % 60} s"
