"""Arrays for the comparison of a network whose inputs are its own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from vmamba_deploy.parity.figures import Arrays
from vmamba_deploy.parity.inputs import PHOTOS, InputSet, pictures
from vmamba_deploy.preprocessing import Preprocessing
from vmamba_deploy.tasks import Task
from vmamba_deploy.tasks.custom import BATCH
from vmamba_deploy.tasks.inputs import random_input
from vmamba_deploy.tasks.task import Input, sized

GIVEN = "given"
"""The set with the inputs that a caller gave."""


def build_named_inputs(
    task: Task,
    sizes: Sequence[Mapping[str, int]],
    *,
    seed: int = 0,
    preprocessing: Preprocessing | None = None,
    given: Arrays | None = None,
) -> list[InputSet]:
    """Make the sets of a comparison: what was given, photographs where they can be, and noise.

    Args:
        task: with inputs of its own.
        sizes: of the free axes, by name; each gives a set, the first one of noise alone as well.
        seed: of the noise.
        preprocessing: of images; None: nothing is known to be one. Else photographs are given to
            every input [B,C,H,W] of its channels, of others only noise.
        given: by name; of sizes that the network takes.
    """
    assert task.first is not None
    inputs, generator = (task.first, *task.inputs), np.random.default_rng(seed)
    sets = [] if given is None else [_set(GIVEN, inputs, given, GIVEN)]
    for axes in sizes:
        arrays = _arrays(inputs, axes, generator, preprocessing)
        kind = "photos" if preprocessing is not None else "random"
        sets.append(_set(_name(kind, axes, sizes[0]), inputs, arrays, _what(kind)))
    noise = _arrays(inputs, sizes[0], generator, None)
    return [*sets, _set(_name("noise", sizes[0], sizes[0]), inputs, noise, _what("noise"))]


def _what(kind: str) -> str:
    return PHOTOS[0] if kind == "photos" else kind


def _name(kind: str, axes: Mapping[str, int], usual: Mapping[str, int]) -> str:
    """`random-b8`, and other axes where they are not the usual ones: `random-b1-height64`."""
    batch = [f"b{axes[BATCH]}"] if BATCH in axes else []
    changed = [f"{name}{size}" for name, size in axes.items() if name != BATCH]
    known = [f"{name}{size}" for name, size in usual.items()]
    return "-".join([kind, *batch, *(text for text in changed if text not in known)])


def _set(name: str, inputs: Sequence[Input], arrays: Arrays, what: str) -> InputSet:
    first, *others = inputs
    array = arrays[first.name]
    count = len(array) if array.ndim else 1
    return InputSet(name, array, (what,) * count, {one.name: arrays[one.name] for one in others})


def _arrays(
    inputs: Sequence[Input],
    axes: Mapping[str, int],
    generator: np.random.Generator,
    preprocessing: Preprocessing | None,
) -> dict[str, npt.NDArray[Any]]:
    arrays = {}
    for place, one in enumerate(inputs):
        shape = sized(one.shape, axes)
        image = len(shape) == 4 and one.dtype == "float32" and preprocessing is not None
        if image and preprocessing is not None and shape[1] == preprocessing.channels:
            names = [PHOTOS[(place + index) % len(PHOTOS)] for index in range(shape[0])]
            prepared = preprocessing.for_size((shape[2], shape[3]))
            arrays[one.name] = pictures(names, prepared, generator)
        else:
            arrays[one.name] = random_input(one, shape, generator)
    return arrays
