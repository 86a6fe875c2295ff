"""The precisions a network is exported in: everything that depends on one, in one table.

The limits are scale-free, so that they hold for random and for trained weights, and whatever
runtime computes. Measured over the nine presets, random weights, photographs and noise, in PyTorch
and ONNX Runtime (docs/parity.md; to measure again: python -m benchmarks parity). A limit is two to
ten times the largest figure seen, a vanilla preset's in each precision; the others stay ten times
below. What faults cost in VMamba-T, as NMSE: one route of one block lost 1e-3, A wrong by a tenth
4e-3, no recurrence 0.16.

Those of int8 and fp8 were measured in ONNX Runtime over networks that quantize in whole, over
`--precision auto` where that is refused (vanilla presets, Vim), and over trained samples. They are
at least twice the largest figure of those that pass, but for the NMSE of int8: vanilla and
segmenting networks come close to it, and beyond it are those whose layers have to be chosen.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal

from vmamba_deploy.errors import UsageError

BaseName = Literal["fp32", "fp16", "bf16"]
"""Of what a network's layers are cast to."""
PrecisionName = Literal["fp32", "fp16", "bf16", "int8", "fp8"]
Capability = tuple[int, int]
"""CUDA compute capability, (8, 9)."""


@dataclass(frozen=True)
class LabelLimits:
    """What label maps may differ by; `parity.kinds.label_map` defines the figures.

    Attributes:
        margin: a pixel whose first logit leads by more, in units of their spread, is decided.
        agreement: at least, of all pixels.
        decided_agreement: at least, of the decided pixels.
    """

    margin: float
    agreement: float
    decided_agreement: float = 1.0


@dataclass(frozen=True)
class DetectionLimits:
    """What detections may differ by; `parity.kinds.detection` defines the figures.

    Attributes:
        shake: by which part of itself a pixel's value is changed, to see what is decided.
        strange, box_pixels, score_error: at most.
        mask_iou: at least.
        found: at least, of the decided detections.
        malformed: at most.
    """

    shake: float
    strange: float
    box_pixels: float
    score_error: float
    mask_iou: float
    found: float = 1.0
    malformed: int = 0


@dataclass(frozen=True)
class Thresholds:
    """What a runtime may differ from PyTorch in fp32 by; `parity.metrics` defines the figures.

    Attributes:
        nmse: at most.
        cosine: at least, for every image.
        max_spread: at most; the largest error in units of the reference's spread. It is also the
            margin below which the top-1 class counts as undecided.
        decided_top1: at least; agreement on the top-1 class where the reference is decided.
        labels: of label maps; None where they are not judged.
        detections: of detections; None where they are not judged.
    """

    nmse: float
    cosine: float
    max_spread: float
    decided_top1: float = 1.0
    labels: LabelLimits | None = None
    detections: DetectionLimits | None = None

    @property
    def psnr(self) -> float:
        """Of an image, in dB, at least: what the NMSE is in dB, for each image by itself."""
        if self.nmse == 0:
            return math.inf
        return -10 * math.log10(self.nmse)


@dataclass(frozen=True)
class Precision:
    """One precision. What of a network stays float32 in it is the family's business.

    In a quantized one the inputs and weights of its layers alone are narrow; all else is as in
    its base, another precision (docs/quantization.md).

    Attributes:
        name: also the command line's flag, `--fp16`.
        description: the flag's help.
        graph_dtype: what weights and products have in the graph, as NumPy and PyTorch name it.
        bytes_per_weight: of a network, in the mean.
        min_opset: oldest version of ONNX's standard op set that has every op in it.
        onnxruntime_cpu: whether ONNX Runtime computes in it on the CPU.
        least_capability: of the GPUs that TensorRT-RTX has matrix products in it for.
        thresholds: limits of the comparison with PyTorch in fp32.
        flat_thresholds: limits for images of one colour. Such a map has next to no variance over
            space, and the LayerNorms magnify what rounding leaves: PyTorch itself, converted to
            half precision, loses that much. About twice the largest figure seen, 5.5e-9, 9e-4 and
            7e-2 in the three precisions; the wider spread as the NMSE. About three times
            what was seen in int8 and fp8, 1.8e-2 and 5.3e-2.
        bases: of a quantized one, those that it can have: the first with an engine, the last for
            the CPU. Empty for the others.
    """

    name: PrecisionName
    description: str
    graph_dtype: str
    bytes_per_weight: int
    min_opset: int
    onnxruntime_cpu: bool
    least_capability: Capability
    thresholds: Thresholds
    flat_thresholds: Thresholds
    bases: tuple[BaseName, ...] = ()

    @property
    def quantized(self) -> bool:
        """Whether layers are narrower than the rest of the network."""
        return bool(self.bases)


_LABELS = {
    "fp32": LabelLimits(margin=1e-3, agreement=0.999),
    "fp16": LabelLimits(margin=0.1, agreement=0.98),
    "bf16": LabelLimits(margin=0.5, agreement=0.9),
    "int8": LabelLimits(margin=0.7, agreement=0.85),
    "fp8": LabelLimits(margin=0.7, agreement=0.85),
}
# Of a map of one colour whole regions are undecided, and change together: UperNet over VMamba-T
# kept 87% and 83% of the pixels in int8 and fp8, and every decided one.
_FLAT_LABELS = _LABELS | {
    "int8": LabelLimits(margin=0.7, agreement=0.75),
    "fp8": LabelLimits(margin=0.7, agreement=0.65),
}
# Shaken by less than the precision costs, a detector seems to decide what it does not. In fp16
# `shake` is three times the error of the maps, sqrt(1e-6); in int8, whose error is sqrt(1e-3), too:
# at 0.03 it loses 16 of 149 detections that seem decided, at 0.1 none of 18. fp8 has none: it loses
# 3 of those 18, and where it would lose none nothing is decided any more.
_DETECTIONS = {
    "fp32": DetectionLimits(
        shake=1e-5, strange=0.05, box_pixels=0.1, score_error=4e-3, mask_iou=0.95
    ),
    "fp16": DetectionLimits(
        shake=3e-3, strange=0.25, box_pixels=2.0, score_error=6e-2, mask_iou=0.85
    ),
    "int8": DetectionLimits(
        shake=1e-1, strange=0.5, box_pixels=8.0, score_error=2e-1, mask_iou=0.7
    ),
}


def _limits(name: str, *, nmse: float, cosine: float, max_spread: float) -> Thresholds:
    """With the precision's limits of labels and detections."""
    labels, detections = _LABELS[name], _DETECTIONS.get(name)
    return Thresholds(nmse, cosine, max_spread, labels=labels, detections=detections)


def _flat_limits(name: str, *, nmse: float, max_spread: float) -> Thresholds:
    """The same for images of one colour; 1 - cosine is limited as the NMSE."""
    limits = _limits(name, nmse=nmse, cosine=1 - nmse, max_spread=max_spread)
    return replace(limits, labels=_FLAT_LABELS[name])


PRECISIONS: Mapping[str, Precision] = {
    precision.name: precision
    for precision in (
        Precision(
            name="fp32",
            description="Single precision (default).",
            graph_dtype="float32",
            bytes_per_weight=4,
            min_opset=20,
            onnxruntime_cpu=True,
            least_capability=(8, 0),
            thresholds=_limits("fp32", nmse=1e-10, cosine=1 - 1e-10, max_spread=2e-4),
            flat_thresholds=_flat_limits("fp32", nmse=1.5e-8, max_spread=2e-3),
        ),
        Precision(
            name="fp16",
            description="Half precision where it is safe.",
            graph_dtype="float16",
            bytes_per_weight=2,
            min_opset=20,
            onnxruntime_cpu=True,
            least_capability=(7, 5),
            thresholds=_limits("fp16", nmse=1e-4, cosine=1 - 1e-4, max_spread=1.5e-1),
            flat_thresholds=_flat_limits("fp16", nmse=2e-3, max_spread=7e-1),
        ),
        Precision(
            name="bf16",
            description="bfloat16 where it is safe.",
            graph_dtype="bfloat16",
            bytes_per_weight=2,
            min_opset=22,  # which brought bfloat16 convolutions
            onnxruntime_cpu=False,
            least_capability=(8, 0),
            thresholds=_limits("bf16", nmse=5e-3, cosine=1 - 4e-3, max_spread=5e-1),
            flat_thresholds=_flat_limits("bf16", nmse=1.5e-1, max_spread=3.0),
        ),
        Precision(
            name="int8",
            description="Layers in 8-bit integers, calibrated on images (--calibrate).",
            graph_dtype="int8",
            bytes_per_weight=2,
            min_opset=20,
            onnxruntime_cpu=True,
            least_capability=(8, 0),
            thresholds=_limits("int8", nmse=5e-3, cosine=1 - 1e-2, max_spread=7e-1),
            flat_thresholds=_flat_limits("int8", nmse=5e-2, max_spread=1.2),
            bases=("fp16", "fp32"),
        ),
        Precision(
            name="fp8",
            description="Linear layers in float8 E4M3: for GPUs from 8.9 on, and less accurate.",
            graph_dtype="float8_e4m3fn",
            bytes_per_weight=2,
            min_opset=20,
            onnxruntime_cpu=True,
            least_capability=(8, 9),
            thresholds=_limits("fp8", nmse=2e-2, cosine=1 - 2e-2, max_spread=1.0),
            flat_thresholds=_flat_limits("fp8", nmse=1.5e-1, max_spread=1.5),
            bases=("fp16", "fp32"),
        ),
    )
}


BASES: Mapping[str, BaseName] = {"fp32": "fp32", "fp16": "fp16", "bf16": "bf16"}
"""The precisions that are not quantized."""


def precision_named(name: str) -> Precision:
    """The precision of that name.

    Raises:
        UsageError: there is none.
    """
    if name not in PRECISIONS:
        *others, last = PRECISIONS
        raise UsageError(f"precision must be {', '.join(others)} or {last}, got {name!r}")
    return PRECISIONS[name]
