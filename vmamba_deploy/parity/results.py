"""What a comparison found, as data."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from vmamba_deploy.parity.elements import ElementCheck
from vmamba_deploy.parity.figures import Figures
from vmamba_deploy.precisions import Thresholds
from vmamba_deploy.tasks import OutputKind

RunStatus = Literal["passed", "failed", "skipped"]


@dataclass(frozen=True)
class OutputResult:
    """One answer of a runtime; `metrics` are the worst over the input sets that are not flat.

    `name` is the output's; of outputs that are judged together, their kind's.
    """

    name: str
    kind: OutputKind
    metrics: Figures


@dataclass(frozen=True)
class InputResult:
    """One runtime on one input set; `flat` sets, of one colour, have limits of their own.

    `metrics` are those of `output`, the one that is furthest off; None without figures. `elements`
    is there where a tolerance was given, and outputs in their right shapes.
    """

    name: str
    batch: int
    passed: bool
    reason: str
    metrics: Figures | None
    seconds: float | None = None
    flat: bool = False
    output: str | None = None
    elements: ElementCheck | None = None


@dataclass(frozen=True)
class RunResult:
    """One runtime on all input sets.

    `outputs` are in the task's order; `metrics` are those of `output`, the one furthest off, over
    the sets that are not flat. `elements` are of all sets.
    """

    runtime: str
    status: RunStatus
    reason: str
    thresholds: Thresholds
    inputs: tuple[InputResult, ...] = ()
    metrics: Figures | None = None
    output: str | None = None
    outputs: tuple[OutputResult, ...] = ()
    elements: ElementCheck | None = None

    def __post_init__(self) -> None:
        figures = self.metrics is not None
        sound = {
            "passed": figures and bool(self.inputs),
            "failed": bool(self.reason),
            "skipped": bool(self.reason) and not figures and not self.inputs,
        }
        if not sound[self.status]:
            raise ValueError(f"{self.runtime} cannot be {self.status} with these figures")
