"""What a comparison shows and what it leaves open: one sentence for the terminal and the report."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol

from vmamba_deploy.parity.results import RunResult
from vmamba_deploy.runtimes.registry import RUNTIMES, file_runtimes

PYTORCH_FP32 = "PyTorch fp32"
"""The reference of exported files, unless another artefact is."""


class BuiltEngine(Protocol):
    """What a sentence needs of an engine: of a manifest's facts or of a report's."""

    @property
    def built(self) -> bool:
        """Whether there is one."""

    @property
    def flavour(self) -> str | None:
        """Name of the runtime that takes it."""

    @property
    def reason(self) -> str | None:
        """Why there is none."""


@dataclass(frozen=True)
class Verdict:
    """What is known of exported files after a comparison.

    Attributes:
        runs: one a runtime; empty when nothing was to be compared.
        engine: beside the ONNX file.
        required: names of runtimes without which there is no proof.
        faults: what is wrong beside the runs, a sentence each.
        reference: what they were compared with.
    """

    runs: Sequence[RunResult]
    engine: BuiltEngine
    required: tuple[str, ...] = ()
    faults: Sequence[str] = ()
    reference: str = PYTORCH_FP32

    @property
    def agreed(self) -> list[str]:
        """Runtimes that executed a file as the reference does."""
        return [run.runtime for run in self._of_files("passed")]

    @property
    def disagreed(self) -> list[str]:
        """Runtimes that did not, and PyTorch itself where its rounding is beyond the limits."""
        return [run.runtime for run in self.runs if run.status == "failed"]

    @property
    def not_executed(self) -> dict[str, str]:
        """Runtimes that could not execute here, with the reason."""
        return {run.runtime: run.reason for run in self._of_files("skipped")}

    @property
    def missing(self) -> dict[str, str]:
        """Required runtimes that executed nothing, with the reason."""
        executed = {*self.agreed, *self.disagreed}
        return {
            name: self.not_executed.get(name, "it was not compared")
            for name in self.required
            if name not in executed
        }

    @property
    def failures(self) -> list[str]:
        """All that is wrong, a sentence each."""
        wrong = [f"{run.runtime}: {run.reason}" for run in self.runs if run.status == "failed"]
        return [*wrong, *self.faults, *self._missed()]

    @property
    def status(self) -> Literal["passed", "failed", "unproven"]:
        """`failed` by any failure; `passed` where a file was executed; else `unproven`."""
        if self.failures:
            return "failed"
        return "passed" if self.agreed else "unproven"

    @property
    def sentence(self) -> str:
        """Which runtimes agree with the reference, which do not, what did not run here, and why."""
        return "; ".join([*self._found(), *self._left_open()])

    def as_json(self) -> dict[str, Any]:
        """As plain values, for JSON lines."""
        return {
            "verdict": self.status,
            "statement": self.sentence,
            "agreed": self.agreed,
            "disagreed": self.disagreed,
            "not_executed": self.not_executed,
            "required": list(self.required),
        }

    def _of_files(self, status: str) -> list[RunResult]:
        files = file_runtimes()
        return [run for run in self.runs if run.runtime in files and run.status == status]

    def _missed(self) -> list[str]:
        return [
            f"{_title(name)} is required and did not run: {why}"
            for name, why in self.missing.items()
        ]

    def _found(self) -> list[str]:
        parts = self._missed()
        parts += [f"{_title(name)} disagrees with {self.reference}" for name in self.disagreed]
        parts += self.faults
        if self.agreed:
            parts.append(f"agrees with {self.reference} in {_listed(self.agreed)}")
        elif not self.runs:
            parts.append("not compared with PyTorch")
        elif not self.disagreed:
            parts.append("not proven: no exported file was executed here")
        return parts

    def _left_open(self) -> list[str]:
        if not self.engine.built:
            parts = [f"no TensorRT engine: {self.engine.reason}"]
        elif self.engine.flavour in {*self.agreed, *self.disagreed, *self.missing}:
            parts = []
        else:
            why = self.not_executed.get(str(self.engine.flavour))
            reason = f": {why}" if why else ""
            parts = [f"{_title(str(self.engine.flavour))} engine built, not executed here{reason}"]
        return parts + [
            f"{_title(name)} not executed here: {why}"
            for name, why in self.not_executed.items()
            if RUNTIMES[name].executes != "engine" and name not in self.missing
        ]


def _title(name: str) -> str:
    return RUNTIMES[name].title or name if name in RUNTIMES else name


def _listed(names: Sequence[str]) -> str:
    *first, last = map(_title, names)
    return f"{', '.join(first)} and {last}" if first else last
