"""Running build tools."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from vmamba_deploy.errors import BuildError, EnvironmentProblem

Progress = Callable[[str, float | None], None]

_STEP = re.compile(r"^\[(\d+)/(\d+)\] ")
_TROUBLE = re.compile(r"\berror\b|undefined reference|FAILED|fatal:|cannot find", re.IGNORECASE)
_LINES_SHOWN = 12


def output_of(command: Sequence[str | Path]) -> str:
    """What the command prints.

    Raises:
        EnvironmentProblem: it cannot be run, or fails.
    """
    try:
        done = subprocess.run(
            [str(part) for part in command], capture_output=True, text=True, errors="replace"
        )
    except OSError as error:
        raise EnvironmentProblem(f"{command[0]} cannot be run: {error.strerror}") from error
    if done.returncode != 0:
        raise EnvironmentProblem(
            f"{' '.join(map(str, command))} failed:\n{telling_lines(done.stdout + done.stderr)}"
        )
    return done.stdout


def run_logged(
    command: Sequence[str | Path],
    *,
    log: Path,
    what: str,
    environment: Mapping[str, str] | None = None,
    progress: Progress | None = None,
) -> None:
    """Run the command with its output appended to `log`; ninja's [i/n] drives `progress`.

    Raises:
        BuildError: it fails; the message has the lines that tell why.
    """
    written: list[str] = []
    with log.open("a") as file:
        file.write(f"$ {' '.join(map(str, command))}\n")
        file.flush()
        with subprocess.Popen(
            [str(part) for part in command],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            env=environment,
        ) as process:
            assert process.stdout is not None
            try:
                for line in process.stdout:
                    file.write(line)
                    written.append(line)
                    step = _STEP.match(line)
                    if progress is not None and step:
                        progress(what, int(step[1]) / int(step[2]))
            except BaseException:
                process.terminate()  # or leaving this block would wait for the whole build
                raise
    if process.returncode != 0:
        raise BuildError(
            f"{what} failed:\n{telling_lines(''.join(written))}", hint=f"the whole log: {log}"
        )


def telling_lines(text: str) -> str:
    """The lines that name the error, else the last ones."""
    lines = [line for line in text.splitlines() if line.strip()]
    telling = [line for line in lines if _TROUBLE.search(line)]
    return "\n".join((telling or lines)[-_LINES_SHOWN:])
