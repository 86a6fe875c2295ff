"""Where a run's events go: drawn for a person, or printed as JSON lines.

Every character that is drawn passes `plain_console`, so that no file's text can steer a terminal.

With `--json`, stdout carries one JSON object per line, each with the key `event`:
`step-started` (step, message, number and count of the run's steps where it knows them),
`step-finished` (step, message, seconds), `progress` (step, message, fraction),
`warning` (message), and at the end one `result` (the command's own fields) or one `error`
(message, hint, exit_code). A figure that is not finite is null. What a person reads goes to stderr
then. Who reads may leave, with or without `--json`: the run goes on, with its own exit code.
"""

from __future__ import annotations

import json
import sys
import traceback
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from vmamba_deploy.cli.stopping import stop_if_asked
from vmamba_deploy.errors import ExitCode, VmambaError, printable
from vmamba_deploy.reports.json_file import plain

if TYPE_CHECKING:
    from rich.console import Console
    from rich.segment import Segment

    from vmamba_deploy.cli.progress import Bar, Lines, Standing
    from vmamba_deploy.pipeline.events import Event

_LOG_COLUMNS = 180


def plain_console(**options: Any) -> Console:
    """A console of rich that takes no markup in strings and escapes what a terminal would obey.

    Styles are given as `rich.text.Text`.
    """
    from rich.console import Console

    class PlainConsole(Console):
        def render(self, *arguments: Any, **keywords: Any) -> Iterator[Segment]:
            for segment in super().render(*arguments, **keywords):
                if segment.control:  # rich's own, such as the cursor of a progress bar
                    yield segment
                else:
                    yield segment._replace(text=printable(segment.text, keep="\n"))

    return PlainConsole(markup=False, emoji=False, highlight=False, soft_wrap=True, **options)


class Terminal:
    """Draws events.

    Args:
        as_json: print JSON lines on stdout, and everything else on stderr.
        verbosity: -1 only errors and the verdict, 0 normal, 1 with detail and tracebacks.
    """

    def __init__(self, *, as_json: bool = False, verbosity: int = 0) -> None:
        self.as_json = as_json
        self.verbosity = verbosity
        # The stream of now: libraries are kept silent by putting another in its place for a while,
        # and what shows progress would be silent with them.
        self.console = plain_console(file=sys.stderr if as_json else sys.stdout)
        if not self.console.is_terminal:
            # A log has no edge: tables must not be squeezed into eighty columns.
            self.console.width = _LOG_COLUMNS
        self._errors = plain_console(stderr=True)
        self._standing: Standing | None = None
        self._drawn: Bar | Lines | None = None

    def on_event(self, event: Event) -> None:
        """Draw one event of a run; a stop that a library lost ends the run here.

        Raises:
            KeyboardInterrupt: SIGINT came before.
            SystemExit: SIGTERM came before.
        """
        if event.event != "warning":  # which may tell of the stop itself
            stop_if_asked()
        if self.as_json:
            self._print_json(event.as_json())
        if self.verbosity < 0:
            return
        if event.event == "step-started":
            self._start_bar(event)
        elif event.event == "progress":
            self._move_bar(event)
        elif event.event == "step-finished":
            self.stop_bar()
            self._line("green", "✓", f"{event.step:<9} {event.message}  ({event.seconds:.1f} s)")
        elif event.event == "warning":
            self._line("yellow", "!", event.message)

    def result(self, fields: dict[str, Any]) -> None:
        """Print the command's result as the last JSON line, when JSON is asked for.

        Args:
            fields: plain values, paths, and dataclasses of such.
        """
        if self.as_json:
            self._print_json({"event": "result", **fields})

    def show(self, drawing: Any) -> None:
        """Draw a table or a line for a person, unless quiet."""
        if self.verbosity >= 0:
            self.console.print(drawing)

    def verdict(self, text: str, *, good: bool) -> None:
        """Say in one line how it ended, also when quiet."""
        self._line("bold green" if good else "bold red", "✓" if good else "✗", text)

    def error(self, error: VmambaError) -> None:
        """Tell a user's problem: the message, and what to do."""
        self.stop_bar()
        fields = {"message": error.message, "hint": error.hint, "exit_code": int(error.exit_code)}
        if self.as_json:
            self._print_json({"event": "error", **fields})
        self._print_error(error.message, error.hint)
        if self.verbosity > 0:
            self._errors.print(_traceback_of(error))

    def bug(self, error: Exception) -> None:
        """Tell of an exception that should not have come here."""
        self.stop_bar()
        text = f"this is a bug: {type(error).__name__}: {error}"
        if self.as_json:
            self._print_json({"event": "error", "message": text, "exit_code": int(ExitCode.BUG)})
        self._print_error(text, "run again with -v for the traceback, and report both")
        if self.verbosity > 0:
            self._errors.print(_traceback_of(error))

    def stop_bar(self) -> None:
        """Remove what shows progress, if anything does."""
        drawn, self._drawn = self._drawn, None
        if drawn is not None:
            drawn.stop()
        self._standing = None

    def _start_bar(self, event: Event) -> None:
        from vmamba_deploy.cli.progress import Bar, Lines, Standing

        self.stop_bar()
        self._standing = Standing(event)
        if self.console.is_terminal:
            self._drawn = Bar(self.console, self._standing)
        else:
            self._drawn = Lines(lambda line: self.console.print(f"  {line}"), self._standing)

    def _move_bar(self, event: Event) -> None:
        if self._standing is not None and self._drawn is not None:
            self._standing.move(event)
            self._drawn.move()
        if self.verbosity > 0 and not self.console.is_terminal:
            self.console.print(f"  {event.message}")

    def _line(self, style: str, mark: str, text: str) -> None:
        from rich.text import Text

        self.console.print(Text.assemble((mark, style), " ", text))

    def _print_error(self, message: str, hint: str | None) -> None:
        from rich.text import Text

        self._errors.print(Text.assemble(("error: ", "bold red"), message))
        if hint:
            self._errors.print(Text.assemble(("hint: ", "bold"), hint))

    def _print_json(self, fields: dict[str, Any]) -> None:
        sys.stdout.write(json.dumps(plain(fields)) + "\n")
        sys.stdout.flush()


def _traceback_of(error: BaseException) -> str:
    return "".join(traceback.format_exception(error))
