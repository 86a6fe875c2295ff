"""What a task is."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from vmamba_deploy.errors import UsageError

OutputKind = Literal["logits", "map", "image", "label_map", "detection"]
"""How an output is judged: `logits` [B,classes], a `map` of activations, an `image` that is looked
at, a `label_map` of classes, or a part of a `detection`; see `parity.kinds`."""

Dtype = Literal["float32", "int32", "int64"]

PIXEL_VALUES = "pixel_values"
"""What networks of ours call the image that they take."""

Axis = int | str | None
"""Of a shape: so many; or `batch`, `classes`, `channels`, or `height` and `width` of the input;
None: as many as the network makes of the input's size."""


def sized(shape: Sequence[Axis], sizes: Mapping[str, int]) -> tuple[int, ...]:
    """A shape with a size in the place of each name.

    Raises:
        KeyError: a name without a size.
        ValueError: an axis that only the network knows.
    """
    if None in shape:
        raise ValueError("the network makes the shape")
    return tuple(sizes[axis] if isinstance(axis, str) else int(axis or 0) for axis in shape)


@dataclass(frozen=True)
class Input:
    """A tensor that a network takes: beside an image, or of its own.

    Attributes:
        name: in the graph and in the call of a session.
        dtype: by NumPy's and PyTorch's name.
        shape: with the batch first, where there is one.
        values: the least and the largest that it may be tried with; None: any float, and of
            integers 0 and 1.
    """

    name: str
    dtype: Dtype
    shape: tuple[Axis, ...]
    values: tuple[float, float] | None = None


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
        batches: usual sizes of an execution, the smallest, the usual and the largest of an engine.
        former_names: of the outputs, in files of older releases; empty where they are the same.
        fewest_classes: that its labels tell apart, however few the logits are.
        first: the first input of a network that takes no image of ours, its free axes by names
            that other inputs share; None: an image, whose size an export chooses.
    """

    name: str
    outputs: tuple[Output, ...]
    method: str = "forward"
    inputs: tuple[Input, ...] = ()
    optional: tuple[Output, ...] = ()
    multiple: int = 1
    batches: tuple[int, ...] = (1, 8, 32)
    former_names: tuple[str, ...] = ()
    fewest_classes: int = 1
    first: Input | None = None

    def classes(self, logits: int) -> int:
        """How many classes its outputs tell apart where there are so many logits."""
        return max(logits, self.fewest_classes)

    @property
    def input_names(self) -> tuple[str, ...]:
        """Names of the inputs, in the order in which a file has them."""
        first = PIXEL_VALUES if self.first is None else self.first.name
        return (first, *(each.name for each in self.inputs))

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

    def with_outputs(self, names: Sequence[str]) -> Task | None:
        """The task as a file with outputs of these names has it; None where none is like that.

        Such a file may have optional outputs, or the names of an older release.
        """
        given = tuple(names)
        if self.former_names and given == self.former_names:
            pairs = zip(self.outputs, given, strict=True)
            return replace(self, outputs=tuple(replace(each, name=name) for each, name in pairs))
        optional = {output.name for output in self.optional}
        task = self.with_optional(optional.intersection(given))
        return task if task.output_names == given else None
