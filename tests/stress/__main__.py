"""Exports that are killed, and exports that meet: what lies in the folder is always whole.

`python -m tests.stress` (`make stress`): each kill at a random moment of a random step, by SIGKILL
or SIGTERM; then rounds of writers that want one folder while others load it. Exit code 0 says that
no load was corrupt, no run ended as it should not, and nothing stayed behind.
"""

from __future__ import annotations

import os
import random
import signal
import tempfile
import time
from collections import Counter
from pathlib import Path

import click

from tests.stress.exports import (
    PRECISIONS,
    STEPS,
    WRONG,
    Run,
    ended,
    leftovers,
    start_export,
    start_load,
    state,
    step_seconds,
    warm,
)
from vmamba_deploy.artifacts.output_folder import open_output_folder
from vmamba_deploy.errors import ExitCode, IntegrityError

_SIGNALS = {signal.SIGKILL: -signal.SIGKILL, signal.SIGTERM: 143}


class Stress:
    """One run of it: where, by which random numbers, and what was seen."""

    def __init__(self, place: Path, seed: int) -> None:
        self.folder, self.expected = place / "exports" / "digits", place / "expected"
        self.expected.mkdir()
        self.random, self.seen = random.Random(seed), Counter[str]()
        self.seconds: dict[str, dict[str, float]] = {}
        warm(self.folder)
        for precision in PRECISIONS:
            self.seconds[precision] = step_seconds(self.folder, precision)
            assert ended(start_load(self.folder, self.expected)) == 0, "the first load failed"

    def kill(self) -> None:
        """Kill an export at a random moment; the folder is the old one or the new one."""
        before, run = state(self.folder), start_export(self.folder, self._precision())
        step, number = self.random.choice(STEPS), self.random.choice(list(_SIGNALS))
        run.wait_for_step(step)
        # A little longer than the step takes, so that what lies between two is met as well.
        time.sleep(self.random.uniform(0, 1.2) * self.seconds[run.precision][step])
        os.kill(run.process, number)
        code = run.end()
        self.seen["killed" if code else "ended before the signal"] += 1
        self._expect(code in (0, _SIGNALS[number]), f"signal {number} in {step}: exit code {code}")
        if number == signal.SIGTERM:
            self._expect_clean("after SIGTERM")
        self._expect_whole(f"after signal {number} in {step}")
        after = state(self.folder)
        self._expect(
            after == before or (after is not None and after.precision == run.precision),
            f"the folder is neither the old one nor that of the run killed in {step}",
        )
        self.seen["new artefacts in place" if after != before else "old artefacts in place"] += 1
        with open_output_folder(self.folder):
            pass
        self._expect_clean("after the next run")

    def meet(self, writers: int) -> None:
        """Exports that want one folder at a time, loaded all the while."""
        runs = [self._start_late() for _ in range(writers)]
        while not self._all_done(runs):
            code = ended(start_load(self.folder, self.expected))
            self.seen["loads"] += 1
            self.seen["corrupt loads"] += code == WRONG
            self._expect(code == 0, f"a load while others export ended with {code}")
        codes = [run.end() for run in runs]
        self.seen["exports that found the folder locked"] += codes.count(ExitCode.RESOURCES)
        self.seen["exports published"] += codes.count(0)
        self._expect(set(codes) <= {0, ExitCode.RESOURCES} and 0 in codes, f"exit codes {codes}")
        self._expect_whole("after a round")
        self._expect_clean("after a round")

    def _start_late(self) -> Run:
        time.sleep(self.random.uniform(0, 1))
        return start_export(self.folder, self._precision())

    def _all_done(self, runs: list[Run]) -> bool:
        options = os.WEXITED | os.WNOHANG | os.WNOWAIT
        return all(os.waitid(os.P_PID, run.process, options) for run in runs)

    def _precision(self) -> str:
        return self.random.choice(PRECISIONS)

    def _expect_whole(self, when: str) -> None:
        try:
            code = ended(start_load(self.folder, self.expected)) if state(self.folder) else 0
        except IntegrityError as error:
            self._expect(False, f"{when}: {error.message}")
            self.seen["corrupt folders"] += 1
        else:
            self.seen["corrupt loads"] += code == WRONG
            self._expect(code == 0, f"{when}: loading ended with {code}")

    def _expect_clean(self, when: str) -> None:
        left = leftovers(self.folder)
        self._expect(not left, f"{when}: {left} lie beside the folder")

    def _expect(self, right: bool, otherwise: str) -> None:
        if not right:
            self.seen["problems"] += 1
            click.echo(f"problem: {otherwise}")


@click.command()
@click.option("--kills", default=200, show_default=True, help="Exports that are killed.")
@click.option("--rounds", default=25, show_default=True, help="Rounds of writers that meet.")
@click.option("--writers", default=8, show_default=True, help="Exports in a round.")
@click.option("--seed", type=int, help="Of the moments; default: another one each time.")
def command(kills: int, rounds: int, writers: int, seed: int | None) -> None:
    """Kill exports and let exports meet; exit code 1 if anything was not whole."""
    seed = random.randrange(2**32) if seed is None else seed
    with tempfile.TemporaryDirectory() as place:
        stress = Stress(Path(place), seed)
        for _ in range(kills):
            stress.kill()
        for _ in range(rounds):
            stress.meet(writers)
    click.echo(f"seed {seed}: {kills} kills, {rounds} rounds of {writers} exports")
    for what, count in sorted(stress.seen.items()):
        click.echo(f"{count:6} {what}")
    raise SystemExit(1 if stress.seen["problems"] else 0)


if __name__ == "__main__":
    command()
