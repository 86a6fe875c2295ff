"""What a task is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

OutputKind = Literal["logits", "map"]
"""How an output is judged: `logits` [B,classes], or a `map` [B,C,H,W]; see `parity.kinds`."""


@dataclass(frozen=True)
class Output:
    """One tensor that a network gives.

    Attributes:
        name: in the graph and in the results of a session.
        kind: says what a difference from the reference means.
    """

    name: str
    kind: OutputKind


@dataclass(frozen=True)
class Task:
    """What a network is for.

    Attributes:
        name: in `TASKS`, on the command line, and in metadata, manifest and report.
        outputs: at least one, in the order in which the network gives them.
        method: of the network; it maps pixel_values [B,3,H,W] to one tensor, or to a list of them
            in the order of `outputs`.
    """

    name: str
    outputs: tuple[Output, ...]
    method: str = "forward"

    @property
    def output_names(self) -> tuple[str, ...]:
        """Names of the outputs, in their order."""
        return tuple(output.name for output in self.outputs)
