"""Calibration on arrays: for networks whose inputs are no images, or not images alone."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from vmamba_deploy.artifacts.manifest import describe_file
from vmamba_deploy.errors import InputFileError
from vmamba_deploy.evaluation.samples import files_below
from vmamba_deploy.exporting.onnx_model import OnnxModel
from vmamba_deploy.files import shown, understood

ARRAYS_SUFFIX = ".npz"


@dataclass(frozen=True)
class CalibrationArrays:
    """Inputs of a file as they are.

    Attributes:
        files: sha256 by name; of arrays that were in memory, of their bytes.
        samples: the inputs by name, one execution each.
        model: that takes them.
    """

    files: Mapping[str, str]
    samples: Sequence[Mapping[str, npt.NDArray[Any]]] = field(repr=False)
    model: OnnxModel

    def __len__(self) -> int:
        return len(self.samples)

    def feeds(self) -> Iterator[Mapping[str, npt.NDArray[Any]]]:
        """The samples, one after the other."""
        return iter(self.samples)


def holds_arrays(path: Path) -> bool:
    """Whether it is a file of arrays, or a folder with such files."""
    if path.is_dir():
        return any(each.suffix == ARRAYS_SUFFIX for each in files_below(path))
    return path.suffix == ARRAYS_SUFFIX


def arrays_from(path: Path, model: OnnxModel) -> CalibrationArrays:
    """Read `.npz` files, one sample each: an array for each input, by its name.

    Args:
        path: a file, or a folder with files at any depth.
        model: that takes them.

    Raises:
        InputFileError: a file that cannot be read, or arrays that the model does not take.
    """
    files = files_below(path) if path.is_dir() else [path]
    chosen = sorted(each for each in files if each.suffix == ARRAYS_SUFFIX)
    samples, sums = [], {}
    for file in chosen:
        sums[file.name if file == path else str(file.relative_to(path))] = describe_file(
            file, InputFileError
        ).sha256
        with understood(file, what="a file of arrays"), np.load(file, allow_pickle=False) as held:
            samples.append({name: held[name] for name in held.files})
        _check(samples[-1], model, shown(file))
    return CalibrationArrays(sums, samples, model)


def arrays_given(
    samples: Sequence[Mapping[str, npt.NDArray[Any]]], model: OnnxModel
) -> CalibrationArrays:
    """Arrays that are in memory.

    Raises:
        InputFileError: arrays that the model does not take.
    """
    sums = {}
    for place, sample in enumerate(samples):
        _check(sample, model, f"calibration sample {place}")
        whole = hashlib.sha256()
        for name in sorted(sample):
            whole.update(name.encode() + np.ascontiguousarray(sample[name]).tobytes())
        sums[f"sample {place}"] = whole.hexdigest()
    return CalibrationArrays(sums, samples, model)


def _check(sample: Mapping[str, npt.NDArray[Any]], model: OnnxModel, what: str) -> None:
    wanted = {one.name: one for one in model.inputs}
    if sample.keys() != wanted.keys():
        raise InputFileError(
            f"{what} has {', '.join(sorted(sample)) or 'nothing'}, and the network takes "
            f"{', '.join(wanted)}"
        )
    for name, array in sample.items():
        shape, dtype = wanted[name].shape, wanted[name].dtype
        fits = len(shape) == array.ndim and all(
            isinstance(axis, str) or axis == size
            for axis, size in zip(shape, array.shape, strict=True)
        )
        if array.dtype != dtype or not fits or not array.size:
            raise InputFileError(
                f"{what}: {name} is {array.dtype}{list(array.shape)}, expected {dtype}{list(shape)}"
            )
