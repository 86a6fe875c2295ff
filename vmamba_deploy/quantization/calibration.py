"""What values of a network become on images: the largest, and how many there are."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import onnx_ir as ir
from onnx_ir.passes import InPlacePass, PassResult

from vmamba_deploy import native
from vmamba_deploy.errors import InputFileError
from vmamba_deploy.exporting.onnx_model import OnnxModel
from vmamba_deploy.quantization.arrays import CalibrationArrays
from vmamba_deploy.quantization.images import CalibrationImages
from vmamba_deploy.runtimes.onnxruntime import CUSTOM_OP_LIBRARY, create_session, explained

Progress = Callable[[str, float | None], None]
_LARGEST, _SIZE = "largest__", "size__"


@dataclass(frozen=True)
class Seen:
    """Of one value of a network, over all images.

    Attributes:
        largest: absolute value of any element.
        elements: of one image, in the mean.
    """

    largest: float
    elements: float


class ObserveValues(InPlacePass):
    """Make the largest absolute value and the size of values outputs of the main graph.

    Two numbers leave the session for each, not a map.

    Args:
        names: of the values; they are floating point.
    """

    def __init__(self, names: Iterable[str]) -> None:
        super().__init__()
        self._names = list(names)

    def call(self, model: ir.Model) -> PassResult:
        """Change `model`."""
        values = ir.convenience.create_value_mapping(model.graph)
        for index, name in enumerate(self._names):
            size = ir.Value(name=f"{_SIZE}{index}", type=ir.TensorType(ir.DataType.INT64))
            largest = ir.Value(name=f"{_LARGEST}{index}", type=ir.TensorType(ir.DataType.FLOAT))
            wide = ir.node("Cast", [values[name]], {"to": int(ir.DataType.FLOAT)})
            absolute = ir.node("Abs", wide.outputs)
            nodes = [
                ir.node("Size", [values[name]], outputs=[size]),
                wide,
                absolute,
                ir.node("ReduceMax", absolute.outputs, {"keepdims": 0}, outputs=[largest]),
            ]
            model.graph.extend(nodes)
            model.graph.outputs.extend([largest, size])
        return PassResult(model, bool(self._names))


def observe(
    model: OnnxModel,
    names: Sequence[str],
    images: CalibrationImages | CalibrationArrays,
    progress: Progress,
) -> dict[str, Seen]:
    """Run a file on images in ONNX Runtime, with our kernels, and look at some of its values.

    Args:
        model: the file.
        names: of values of its main graph.
        images: that it takes.
        progress: told what runs and the fraction done.

    Raises:
        InputFileError: an image cannot be read, or a value is NaN or infinite on it.
    """
    distinct = list(dict.fromkeys(names))
    probed = ObserveValues(distinct)(model.ir.clone()).model
    session = create_session(probed, library=native.library_path(CUSTOM_OP_LIBRARY))
    wanted = [f"{kind}{index}" for index in range(len(distinct)) for kind in (_LARGEST, _SIZE)]
    found = np.zeros((len(images), len(distinct), 2))
    for place, feed in enumerate(images.feeds()):
        progress("calibrating", place / len(images))
        with explained("run a calibration image", InputFileError):
            found[place] = np.asarray(session.run(wanted, dict(feed)), float).reshape(-1, 2)
    if not np.isfinite(found).all():
        raise InputFileError(
            "the network gives NaN or infinity on the calibration images",
            hint="the weights are broken, or out of the range of fp16: look at the parity report",
        )
    largest, elements = found[..., 0].max(axis=0), found[..., 1].mean(axis=0)
    return {
        name: Seen(float(most), float(count))
        for name, most, count in zip(distinct, largest, elements, strict=True)
    }
