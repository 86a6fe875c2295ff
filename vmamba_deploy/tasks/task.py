"""What a task is."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Literal

from vmamba_deploy.errors import UsageError

OutputKind = Literal["logits", "map"]
"""How an output is judged: `logits` [B,classes], or a `map` [B,C,H,W]; see `parity.kinds`."""

Dtype = Literal["float32", "int32", "int64"]

Axis = int | str | None
"""Of a shape: so many; or `batch`, `classes`, `channels`, or `height` and `width` of the input;
None: as many as the network makes of the input's size."""


@dataclass(frozen=True)
class Input:
    """A tensor that a network takes beside `pixel_values`.

    Attributes:
        name: in the graph and in the call of a session.
        dtype: by NumPy's and PyTorch's name.
        shape: with the batch first.
    """

    name: str
    dtype: Dtype
    shape: tuple[Axis, ...]


@dataclass(frozen=True)
class Output:
    """One tensor that a network gives.

    Attributes:
        name: in the graph and in the results of a session.
        kind: says what a difference from the reference means.
        shape: with the batch first.
        dtype: by NumPy's and PyTorch's name.
    """

    name: str
    kind: OutputKind
    shape: tuple[Axis, ...]
    dtype: Dtype = "float32"


@dataclass(frozen=True)
class Task:
    """What a network is for.

    Attributes:
        name: in `TASKS`, on the command line, and in metadata, manifest and report.
        outputs: at least one, in the order in which the network gives them.
        method: of the network; it maps pixel_values [B,3,H,W], and the other inputs by their
            names, to one tensor, or to a list of them or a dict by name in the order of `outputs`.
        inputs: that it takes beside pixel_values; each may be left out in PyTorch.
        optional: further outputs, which a file has where they are asked for, after the others.
        multiple: of which height and width of pixel_values are multiples.
    """

    name: str
    outputs: tuple[Output, ...]
    method: str = "forward"
    inputs: tuple[Input, ...] = ()
    optional: tuple[Output, ...] = ()
    multiple: int = 1

    @property
    def output_names(self) -> tuple[str, ...]:
        """Names of the outputs, in their order."""
        return tuple(output.name for output in self.outputs)

    def with_optional(self, names: Iterable[str]) -> Task:
        """The task with those of its optional outputs as outputs like the others, which stay.

        Raises:
            UsageError: it has no such optional output.
        """
        asked = set(names) - set(self.output_names)
        if unknown := asked - {output.name for output in self.optional}:
            raise UsageError(
                f"the task {self.name} has no optional output {', '.join(sorted(unknown))}",
                hint=f"it has {', '.join(each.name for each in self.optional) or 'none'}",
            )
        added = tuple(output for output in self.optional if output.name in asked)
        return replace(self, outputs=self.outputs + added, optional=()) if added else self
