"""What quantizing some layers of a network costs, measured in one session of ONNX Runtime."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice

import numpy as np
import numpy.typing as npt

from vmamba_deploy import native
from vmamba_deploy.artifacts.quantization_facts import QuantizationFacts
from vmamba_deploy.errors import InputFileError
from vmamba_deploy.exporting.onnx_model import OnnxModel
from vmamba_deploy.exporting.passes import ProbeOutputs
from vmamba_deploy.exporting.quantize import GRIDS
from vmamba_deploy.exporting.switch import CHOSEN, SwitchLayers
from vmamba_deploy.precisions import PrecisionName
from vmamba_deploy.quantization.arrays import CalibrationArrays
from vmamba_deploy.quantization.images import CalibrationImages, Feed
from vmamba_deploy.quantization.watched import watched_values
from vmamba_deploy.runtimes.onnxruntime import CUSTOM_OP_LIBRARY, create_session, explained

_LEAST_PIXELS = 8 * 224 * 224
"""Of the images for a single layer; twice as many count for a set of layers that is proven."""

Maps = list[npt.NDArray[np.float32]]


class Sensitivity:
    """Measures the error of the outputs with any set of layers in 8 bits.

    The error is that of the values of `watched_values`: sum(d^2) / sum(r^2) over the images, r with
    no layer quantized; of several values the largest.

    Args:
        base: the file before.
        facts: of the calibration: the layers that may be chosen.
        precision: of the layers.
        images: that the base takes; evenly spread, as many as have the pixels of 8 images of
            224 x 224, at least one.

    Raises:
        UsageError: an output whose error cannot be measured.
    """

    def __init__(
        self,
        base: OnnxModel,
        facts: QuantizationFacts,
        precision: PrecisionName,
        images: CalibrationImages | CalibrationArrays,
    ) -> None:
        self._names = list(facts.quantized)
        watched = watched_values(base)
        self._probes = [f"watched__{place}" for place in range(len(watched))]
        switch = SwitchLayers(GRIDS[precision], facts.quantized, facts.results)
        model = switch(base.ir.clone()).model
        ProbeOutputs(dict(zip(watched, self._probes, strict=True)))(model)
        # What no probe needs is not run, such as the heads of a detector.
        del model.graph.outputs[: -len(watched)]
        self._session = create_session(model, library=native.library_path(CUSTOM_OP_LIBRARY))
        self._feeds = list(_spread(images, 2 * _LEAST_PIXELS))
        # Every second image, so that layers are judged by images of all kinds.
        self._few = slice(0, None, 2)
        self._plain = [self._run(feed, []) for feed in self._feeds]

    def nmse(self, names: Iterable[str], *, whole: bool = False) -> float:
        """The error with these layers in 8 bits.

        Args:
            names: of layers.
            whole: over all images, not every second one.

        Raises:
            InputFileError: the network does not run on an image.
        """
        chosen = list(names)
        part = slice(None) if whole else self._few
        errors = np.zeros((2, len(self._probes)))
        for feed, plain in zip(self._feeds[part], self._plain[part], strict=True):
            got = self._run(feed, chosen)
            for place, (one, two) in enumerate(zip(plain, got, strict=True)):
                reference, candidate = np.asarray(one, float), np.asarray(two, float)
                errors[0, place] += np.sum((candidate - reference) ** 2)
                errors[1, place] += np.sum(reference**2)
        error, size = errors
        ratios = np.divide(error, size, out=np.full_like(error, np.inf), where=size > 0)
        return float(np.max(np.where(error == 0, 0.0, ratios)))

    def _run(self, feed: Feed, names: list[str]) -> Maps:
        chosen = np.isin(self._names, names)
        with explained("run a calibration image", InputFileError):
            return list(self._session.run(self._probes, {**feed, CHOSEN: chosen}))


def _spread(images: CalibrationImages | CalibrationArrays, pixels: int) -> Iterator[Feed]:
    """The inputs of so many images that they have that many pixels together, or of all."""
    height, width = images.model.image_size()
    count = min(max(1, round(pixels / (height * width))), len(images))
    step = len(images) // count
    return islice(images.feeds(), 0, count * step, step)
