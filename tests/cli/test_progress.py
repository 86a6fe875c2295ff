"""What is shown of a run's progress, by a clock that the test moves."""

from __future__ import annotations

import contextlib
import io
import threading
from collections.abc import Iterator

import pytest

from vmamba_deploy.cli.progress import SECONDS_BETWEEN_LINES, Bar, Lines, Standing
from vmamba_deploy.cli.terminal import Terminal, plain_console
from vmamba_deploy.pipeline.events import Event

BEGUN = Event("step-started", "comparing", step="parity", number=3, count=4)


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture(autouse=True)
def _no_thread_is_left() -> Iterator[None]:
    before = set(threading.enumerate())
    yield
    for thread in set(threading.enumerate()) - before:
        thread.join(5)  # rich tells its own to end, and does not wait
        assert not thread.is_alive(), thread.name


def moved(message: str, fraction: float | None) -> Event:
    return Event("progress", message, step="parity", fraction=fraction)


def test_the_time_left_follows_the_pace_of_the_step(clock: Clock) -> None:
    standing = Standing(BEGUN, clock)
    assert (standing.line, standing.share) == ("step 3 of 4: comparing, 0 s", 0.5)
    clock.now += 10
    standing.move(moved("ONNX Runtime", 0.25))
    assert standing.share == pytest.approx(2.25 / 4)
    assert standing.line == "step 3 of 4: ONNX Runtime, 25%, about 30 s left, 10 s"
    clock.now += 20
    assert standing.rest == "25%, about 10 s left"
    clock.now += 200
    assert standing.line == "step 3 of 4: ONNX Runtime, 25%, 3 min 50 s"


def test_another_part_of_a_step_has_a_pace_of_its_own(clock: Clock) -> None:
    standing = Standing(BEGUN, clock)
    clock.now += 50
    standing.move(moved("a", 0.9))
    standing.move(moved("b", 0.0))
    assert standing.rest == "0%"
    clock.now += 0.5
    standing.move(moved("b", 0.5))
    assert standing.rest == "50%", "half a second tells nothing of the rest"
    clock.now += 3.5
    standing.move(moved("b", 0.5))
    assert standing.rest == "50%, about 4 s left"
    standing.move(moved("c", None))
    assert (standing.rest, standing.share) == ("", 0.5)


def test_a_run_that_does_not_know_its_steps(clock: Clock) -> None:
    standing = Standing(Event("step-started", "reading", step="data"), clock)
    assert (standing.title, standing.share) == ("reading", None)
    standing.move(moved("half", 0.5))
    assert standing.share == 0.5


def test_a_log_has_a_line_every_ten_seconds_and_none_after(clock: Clock) -> None:
    lines: list[str] = []
    standing = Standing(BEGUN, clock)
    asked: list[float] = []

    def wait(seconds: float) -> bool:
        asked.append(seconds)
        clock.now += seconds
        return len(asked) > 3

    shown = Lines(lines.append, standing, wait)
    shown.stop()
    assert asked == [SECONDS_BETWEEN_LINES] * 4
    assert lines == [f"step 3 of 4: comparing, {seconds} s" for seconds in (10, 20, 30)]


def test_a_short_step_writes_its_end_alone(capsys: pytest.CaptureFixture[str]) -> None:
    terminal = Terminal()
    terminal.on_event(BEGUN)
    terminal.on_event(moved("half", 0.5))
    terminal.on_event(Event("step-finished", "compared", step="parity", seconds=0.5))
    terminal.on_event(BEGUN)
    terminal.stop_bar()
    (line,) = capsys.readouterr().out.splitlines()
    assert line.split() == ["✓", "parity", "compared", "(0.5", "s)"]


def test_a_library_that_is_kept_silent_does_not_silence_progress(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """As PyTorch's exporter is, for the longest step of all."""
    terminal = Terminal()
    terminal.on_event(BEGUN)
    with contextlib.redirect_stdout(io.StringIO()):
        print("of the library")  # noqa: T201
        terminal.show("step 3 of 4")
    terminal.stop_bar()
    assert capsys.readouterr().out == "step 3 of 4\n"


def test_a_terminal_has_a_bar(clock: Clock) -> None:
    written = io.StringIO()
    console = plain_console(file=written, force_terminal=True, width=120)
    standing = Standing(BEGUN, clock)
    bar = Bar(console, standing)
    clock.now += 10
    standing.move(moved("ONNX Runtime", 0.25))
    bar.move()
    bar.stop()
    assert "step 3 of 4: ONNX Runtime" in written.getvalue()
    assert "25%, about 30 s left" in written.getvalue()
