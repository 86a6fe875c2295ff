"""What a proof found, as data."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Literal

from vmamba_deploy.artifacts.quantization_facts import QuantizationFacts
from vmamba_deploy.parity.results import RunResult


@dataclass(frozen=True)
class Check:
    """One part of the proof.

    Attributes:
        name: of what was looked at.
        status: `skipped` where this machine, or the base, does not show it; `slow` where the file
            is right, and a runtime takes longer for it than it should.
        reason: what is wrong, or what was seen.
    """

    name: str
    status: Literal["passed", "failed", "skipped", "slow"]
    reason: str


@dataclass(frozen=True)
class QuantizationProof:
    """What shows that a quantized file is right, beside the comparison of its outputs.

    Attributes:
        facts: the record; None of a file that another tool quantized.
        base: the file before against PyTorch, by the limits of its own precision.
        checks: of the file itself.
    """

    facts: QuantizationFacts | None
    base: tuple[RunResult, ...]
    checks: tuple[Check, ...]

    @property
    def failures(self) -> list[str]:
        """What is wrong, a sentence each."""
        runs = [f"{run.runtime} of the base: {run.reason}" for run in self.base if _failed(run)]
        return runs + [f"{check.name}: {check.reason}" for check in self.checks if _failed(check)]

    def as_json(self) -> dict[str, Any]:
        """As plain values, for JSON lines."""
        counts = {} if self.facts is None else _counts(self.facts)
        return {
            **counts,
            "base": {run.runtime: run.status for run in self.base},
            "checks": [asdict(check) for check in self.checks],
        }


def _counts(facts: QuantizationFacts) -> dict[str, Any]:
    return {
        "quantized": facts.products,
        "layers": len(facts.layers),
        "share": facts.share,
    }


def _failed(one: RunResult | Check) -> bool:
    return one.status == "failed"
