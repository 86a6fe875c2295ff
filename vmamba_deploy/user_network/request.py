"""What a user says of a network of theirs, as data. Imports nothing heavy."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import get_args

from vmamba_deploy.errors import UsageError, printable
from vmamba_deploy.tasks.custom import BATCH
from vmamba_deploy.tasks.task import PIXEL_VALUES, Dtype, Input, OutputKind

FreeAxes = Mapping[str, Mapping[int, str | None]]
"""By the name of an input, the names of its free axes by their number; None: the usual name."""

OUTPUT_KINDS: tuple[OutputKind, ...] = tuple(
    kind for kind in get_args(OutputKind) if kind != "detection"
)
"""Kinds that an output of a user's network can have: each is an answer by itself."""

_NAME = re.compile(r"[A-Za-z_]\w{0,99}")
_MAX_RANK = 8
_MAX_SIDE = 1 << 31


@dataclass(frozen=True)
class Builder:
    """A function without arguments, in a file of the user's, that returns the network.

    Attributes:
        path: of the file.
        function: its name.
    """

    path: Path
    function: str

    @classmethod
    def parsed(cls, text: str) -> Builder:
        """Read `path/to/file.py:function`.

        Raises:
            UsageError: it has another form.
        """
        path, colon, function = text.rpartition(":")
        if not colon or not path or not function.isidentifier():
            raise UsageError(
                f"--network {printable(text)!r} does not name a function of a file",
                hint="for example --network path/to/file.py:build, where build() returns the "
                "network",
            )
        return cls(Path(path), function)

    @property
    def title(self) -> str:
        """What travels with the artefacts: without folders of this machine."""
        return f"{self.path.name}:{self.function}"


@dataclass(frozen=True)
class AskedOutput:
    """An output as the user names it.

    Attributes:
        kind: None: what its dtype suggests.
    """

    name: str
    kind: OutputKind | None = None


@dataclass(frozen=True)
class Interface:
    """The inputs and outputs of a network, as its user says them.

    Attributes:
        inputs: by the names of `forward`'s parameters, each of one size.
        free: which axes the file leaves free; None: the batch, where the inputs have one.
        outputs: their names in order, or those of a dict that are wanted; empty: all of them.

    Raises:
        UsageError: no inputs, a name twice, a free axis that is not there, or two axes of one name
            and different sizes.
    """

    inputs: tuple[Input, ...]
    free: FreeAxes | None = None
    outputs: tuple[AskedOutput, ...] = ()
    _axes: dict[str, int] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if not self.inputs:
            raise UsageError(
                "nothing says what the network takes",
                hint="name each input of forward(): --input image=1x3x256x256",
            )
        if not self.inputs[0].shape:
            raise UsageError(
                f"the first input, {self.inputs[0].name}, has no axis",
                hint="name one with a batch or a size first",
            )
        for asked in self.outputs:
            if asked.kind not in (None, *OUTPUT_KINDS):
                raise UsageError(
                    f"there is no kind of output {asked.kind!r}",
                    hint=f"the kinds are {', '.join(OUTPUT_KINDS)}",
                )
        for what, named in (("input", self.inputs), ("output", self.outputs)):
            twice = [name for name, count in Counter(e.name for e in named).items() if count > 1]
            if twice:
                raise UsageError(f"the {what} {twice[0]} is named twice")
        if PIXEL_VALUES in [one.name for one in self.inputs[1:]]:
            raise UsageError(
                f"{PIXEL_VALUES} is what applications call the first input",
                hint=f"name it first: --input {PIXEL_VALUES}=SHAPE --input ...",
            )
        object.__setattr__(self, "_axes", _sizes_of(self._named_axes(), self.inputs))

    @property
    def axes(self) -> dict[str, int]:
        """The free axes by name, with their size in the inputs as they are given."""
        return dict(self._axes)

    @property
    def freed(self) -> tuple[Input, ...]:
        """The inputs with names in the place of their free axes."""
        named = self._named_axes()
        return tuple(
            replace(
                one,
                shape=tuple(named[one.name].get(i, axis) for i, axis in enumerate(one.shape)),
            )
            for one in self.inputs
        )

    def _named_axes(self) -> dict[str, dict[int, str]]:
        given = _usual_axes(self.inputs) if self.free is None else self.free
        names = [one.name for one in self.inputs]
        for unknown in (name for name in given if name not in names):
            raise UsageError(
                f"--dynamic names {unknown}, which is no input", hint=f"there is {', '.join(names)}"
            )
        return {
            one.name: {
                axis: name or (BATCH if axis == 0 else f"{one.name}_{axis}")
                for axis, name in given.get(one.name, {}).items()
            }
            for one in self.inputs
        }


def _usual_axes(inputs: Sequence[Input]) -> FreeAxes:
    """The first axis of every input, where all are as long: that is a batch."""
    if len({one.shape[:1] for one in inputs}) > 1 or not inputs[0].shape:
        return {}
    return {one.name: {0: BATCH} for one in inputs}


def _sizes_of(named: Mapping[str, Mapping[int, str]], inputs: Sequence[Input]) -> dict[str, int]:
    sizes: dict[str, int] = {}
    owners: dict[str, str] = {}
    for one in inputs:
        for axis, name in named[one.name].items():
            if not 0 <= axis < len(one.shape):
                raise UsageError(f"--dynamic: {one.name} has no axis {axis}")
            size = one.shape[axis]
            assert isinstance(size, int)
            if sizes.setdefault(name, size) != size:
                raise UsageError(
                    f"--dynamic: the axis {name} is {sizes[name]} long in {owners[name]} and "
                    f"{size} in {one.name}",
                    hint="axes of one name are equally long; give them names of their own: "
                    f"{one.name}={axis}:{one.name}_{axis}",
                )
            owners.setdefault(name, one.name)
    return sizes


def parsed_input(text: str) -> Input:
    """Read `image=1x3x256x256`, `ids=1x16:int64` or `ids=1x16:int64:0..999`.

    Raises:
        UsageError: it has another form.
    """
    name, equals, rest = text.partition("=")
    shape, _, rest = rest.partition(":")
    dtype, _, values = rest.partition(":")
    sides = shape.split("x") if shape else []
    good = equals and _NAME.fullmatch(name) and len(sides) <= _MAX_RANK
    if not good or not all(re.fullmatch(r"\d{1,10}", side) for side in sides):
        raise UsageError(
            f"--input {printable(text)!r} is not a name and a shape",
            hint="for example --input image=1x3x256x256, --input ids=1x16:int64:0..999",
        )
    if not all(1 <= int(side) < _MAX_SIDE for side in sides):
        raise UsageError(f"--input {name}: every side of {shape} must be at least 1")
    known: Dtype | None = next(
        (each for each in get_args(Dtype) if each == (dtype or "float32")), None
    )
    if known is None:
        raise UsageError(
            f"--input {name}: there is no dtype {printable(dtype)!r}",
            hint=f"one of {', '.join(get_args(Dtype))}",
        )
    return Input(name, known, tuple(map(int, sides)), _values(name, values) if values else None)


def _values(name: str, text: str) -> tuple[float, float]:
    least, _, largest = text.partition("..")
    try:
        low, high = float(least), float(largest)
    except ValueError:
        low, high = 1.0, 0.0
    if not low <= high or high - low == float("inf"):
        raise UsageError(
            f"--input {name}: {printable(text)!r} are no least and largest value",
            hint="for example 0..1",
        )
    return low, high


def parsed_free_axes(texts: Sequence[str]) -> FreeAxes | None:
    """Read `image=0,2:height,3:width`, one for each input; `none` alone leaves no axis free.

    Raises:
        UsageError: one has another form.
    """
    if not texts:
        return None
    free: dict[str, dict[int, str | None]] = {}
    for text in texts:
        if text == "none" and len(texts) == 1:
            return {}
        name, _, axes = text.partition("=")
        parts = [part.partition(":") for part in axes.split(",")]
        good = _NAME.fullmatch(name) and all(re.fullmatch(r"\d", axis) for axis, _, _ in parts)
        if not good or not all(_NAME.fullmatch(own) for _, colon, own in parts if colon):
            raise UsageError(
                f"--dynamic {printable(text)!r} is not an input and its free axes",
                hint="for example --dynamic image=0,2,3, --dynamic image=0:batch,2:height,3:width "
                "or --dynamic none",
            )
        free.setdefault(name, {}).update({int(axis): own or None for axis, _, own in parts})
    return free


def parsed_outputs(texts: Sequence[str]) -> tuple[AskedOutput, ...]:
    """Read `logits:logits` and `image:image`: a name, and a kind where it is not the usual one.

    Raises:
        UsageError: one has another form, or there is no such kind.
    """
    asked = []
    for text in texts:
        name, colon, kind = text.partition(":")
        known = next((each for each in OUTPUT_KINDS if each == kind), None)
        if not _NAME.fullmatch(name) or (colon and known is None):
            raise UsageError(
                f"--outputs {printable(text)!r} is not a name and a kind",
                hint=f"for example logits:logits; the kinds are {', '.join(OUTPUT_KINDS)}",
            )
        asked.append(AskedOutput(name, known))
    return tuple(asked)
