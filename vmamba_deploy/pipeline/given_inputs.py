"""Inputs of a user's as sets of a comparison: images of a folder, or arrays by name."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from vmamba_deploy.errors import InputFileError, UsageError
from vmamba_deploy.exporting.onnx_model import OnnxModel
from vmamba_deploy.files import shown
from vmamba_deploy.parity.inputs import InputSet
from vmamba_deploy.quantization.arrays import arrays_from, holds_arrays
from vmamba_deploy.quantization.images import CalibrationImages, image_files, prepared_for

if TYPE_CHECKING:
    import numpy.typing as npt

    from vmamba_deploy.preprocessing import Preprocessing

    Feed = Mapping[str, npt.NDArray[Any]]

_ARRAYS_HINT = "give an array for each input by its name: --images FILE.npz, or a folder of them"


def given_sets(
    path: Path,
    facts: OnnxModel,
    preprocessing: Preprocessing | None,
    *,
    batch: int,
    limit: int | None,
) -> list[InputSet]:
    """What a user wants a file to be compared on.

    Args:
        path: a folder of images at any depth, which are prepared as the file says; or a `.npz`
            file, or a folder with such files, of arrays by the names of the inputs.
        facts: of the file.
        preprocessing: as it says; None: it does not.
        batch: images of a set, where the file leaves that free.
        limit: take so many images at most, evenly spaced in the order of their names; None: all.

    Raises:
        InputFileError: nothing there, or what cannot be read, or arrays that the file does not
            take.
        UsageError: nothing says how images become the inputs of the network.
    """
    if not path.exists():
        raise InputFileError(f"there is no folder {shown(path)} of images")
    if holds_arrays(path):
        arrays = arrays_from(path, facts)
        named = zip(arrays.files, arrays.feeds(), strict=True)
        return [_set(name, [name] * _images(feed, facts), feed, facts) for name, feed in named]
    if not path.is_dir():
        raise InputFileError(
            f"{shown(path)} is neither a folder of images nor a file of arrays", hint=_ARRAYS_HINT
        )
    return _image_sets(path, facts, preprocessing, batch, limit)


def _image_sets(
    folder: Path,
    facts: OnnxModel,
    preprocessing: Preprocessing | None,
    batch: int,
    limit: int | None,
) -> list[InputSet]:
    own = facts.task.first is not None
    if preprocessing is None or (own and len(facts.inputs) > 1):
        raise UsageError(
            "nothing says how images become the inputs of this network", hint=_ARRAYS_HINT
        )
    preprocessing.require_files(_ARRAYS_HINT)
    files = image_files(folder, limit)
    fixed = facts.inputs[0].shape[0]
    count = fixed if isinstance(fixed, int) else batch
    # The last one again, where a file takes whole batches alone.
    files += files[-1:] * (-len(files) % count if isinstance(fixed, int) else 0)
    images = CalibrationImages({}, files, facts, prepared_for(facts, preprocessing))
    feeds = [*images.feeds()]
    names = [os.fspath(file.relative_to(folder)) for file in files]
    sets = []
    for start in range(0, len(files), count):
        part, named = feeds[start : start + count], names[start : start + count]
        more = f" and {len(named) - 1} more" if len(named) > 1 else ""
        joined = {name: np.concatenate([feed[name] for feed in part]) for name in part[0]}
        sets.append(_set(named[0] + more, named, joined, facts))
    return sets


def _images(feed: Feed, facts: OnnxModel) -> int:
    first = feed[facts.inputs[0].name]
    return len(first) if first.ndim else 1


def _set(name: str, images: Sequence[str], feed: Feed, facts: OnnxModel) -> InputSet:
    first, *others = (one.name for one in facts.inputs)
    return InputSet(name, feed[first], tuple(images), {other: feed[other] for other in others})
