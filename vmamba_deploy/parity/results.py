"""What a comparison found, as data."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from vmamba_deploy.parity.metrics import Metrics
from vmamba_deploy.precisions import Thresholds

RunStatus = Literal["passed", "failed", "skipped"]


@dataclass(frozen=True)
class InputResult:
    """One runtime on one input set; `flat` sets, of one colour, have limits of their own."""

    name: str
    batch: int
    passed: bool
    reason: str
    metrics: Metrics | None
    seconds: float | None = None
    flat: bool = False


@dataclass(frozen=True)
class RunResult:
    """One runtime on all input sets; `metrics` are the worst of those that are not flat."""

    runtime: str
    status: RunStatus
    reason: str
    thresholds: Thresholds
    inputs: tuple[InputResult, ...] = ()
    metrics: Metrics | None = None

    def __post_init__(self) -> None:
        figures = self.metrics is not None
        sound = {
            "passed": figures and bool(self.inputs),
            "failed": bool(self.reason),
            "skipped": bool(self.reason) and not figures and not self.inputs,
        }
        if not sound[self.status]:
            raise ValueError(f"{self.runtime} cannot be {self.status} with these figures")
