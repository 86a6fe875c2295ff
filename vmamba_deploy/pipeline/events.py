"""What a run tells while it works. A terminal draws it; `--json` prints it, one object per line."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import Any, Literal

Kind = Literal["step-started", "progress", "step-finished", "warning"]


@dataclass(frozen=True)
class Event:
    """One line of a run.

    Attributes:
        event: what happened.
        message: for a person, one line.
        step: `operators`, `weights`, `export`, `library`, `engine`, `aoti`, `parity`, `report`,
            `manifest`, `publish`, or None.
        fraction: of the step, 0 to 1, in `progress`; None when unknown.
        seconds: the step took, in `step-finished`.
        number, count: of the step among the steps of the run, from 1, in `step-started`; None where
            the run does not know them before.
    """

    event: Kind
    message: str = ""
    step: str | None = None
    fraction: float | None = None
    seconds: float | None = None
    number: int | None = None
    count: int | None = None

    def as_json(self) -> dict[str, Any]:
        """The documented shape of a line: absent values are left out."""
        return {key: value for key, value in asdict(self).items() if value not in (None, "")}


OnEvent = Callable[[Event], None]
_SECONDS_BETWEEN_PROGRESS = 0.1


class Steps:
    """Times the steps of a run and announces them.

    Args:
        on_event: told each.
        planned: names of the steps, in their order, where the run knows them; one may be left out.
    """

    def __init__(self, on_event: OnEvent, planned: Sequence[str] = ()) -> None:
        self._on_event = on_event
        self._planned = planned
        self._current: str | None = None
        self._told: tuple[str, float] = "", 0.0
        self.seconds: dict[str, float] = {}

    @contextmanager
    def step(self, name: str, message: str) -> Iterator[list[str]]:
        """Announce a step and its end; append to the yielded list what the end should say."""
        number = self._planned.index(name) + 1 if name in self._planned else None
        count = len(self._planned) if number is not None else None
        self._on_event(Event("step-started", message, step=name, number=number, count=count))
        self._current = name
        outcome: list[str] = []
        start = time.perf_counter()
        yield outcome
        self.seconds[name] = round(time.perf_counter() - start, 3)
        text = ", ".join(outcome) or message
        self._on_event(Event("step-finished", text, step=name, seconds=self.seconds[name]))
        self._current = None

    def progress(self, message: str, fraction: float | None = None) -> None:
        """Tell how far the running step is; what repeats within a moment is left out."""
        now = time.monotonic()
        last, when = self._told
        if message == last and now - when < _SECONDS_BETWEEN_PROGRESS and fraction != 1.0:
            return
        self._told = message, now
        self._on_event(Event("progress", message, step=self._current, fraction=fraction))

    def warn(self, message: str) -> None:
        """Tell something that the user should know, and that does not end the run."""
        self._on_event(Event("warning", message, step=self._current))
