"""Label maps: how many pixels keep their class, and whether those that change could be ties.

| figure            | definition                                                                   |
|-------------------|------------------------------------------------------------------------------|
| pixels, differing | of all images; those whose label is another                                  |
| agreement         | share of the pixels with the same label                                      |
| decided           | pixels whose reference margin, first minus second logit, exceeds a tolerance |
| decided_agreement | share of those with the same label; 1 when there are none                    |
| mean_iou          | mean over the classes that either side has in the set, of the pixels that    |
|                   | both give the class by the pixels that either does                           |

The margins are of the reference's logits, resized bilinearly to the size of the labels as the
network resizes them, in units of their spread (`parity.metrics`); a single logit, no or yes, leads
over 0 or 0 over it. A pixel within the tolerance may change its class by rounding alone, one beyond
it may not. Where the reference gives no logits every
pixel counts as undecided, and the agreement and the mean IoU alone are judged.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from vmamba_deploy.parity.figures import Answer, Figures
from vmamba_deploy.precisions import LabelLimits, Thresholds
from vmamba_deploy.tasks.label_maps import bilinear
from vmamba_deploy.tasks.segmentation import HEAD_LOGITS

_ROWS = 32
"""Rows of logits that are resized at once: what bounds the memory with many classes."""


@dataclass(frozen=True)
class LabelMetrics(Figures):
    """Figures of label maps; the module's text defines each. NaN where not computable."""

    pixels: int
    differing: int
    agreement: float
    decided: int
    decided_agreement: float
    mean_iou: float

    limited: ClassVar[tuple[str, ...]] = ("agreement", "decided_agreement")
    least: ClassVar[frozenset[str]] = frozenset(limited)
    summed: ClassVar[tuple[str, ...]] = (*Figures.summed, "pixels", "differing", "decided")
    smallest: ClassVar[tuple[str, ...]] = ("mean_iou",)
    shares: ClassVar[Mapping[str, str]] = MappingProxyType(
        {"agreement": "pixels", "decided_agreement": "decided"}
    )

    @classmethod
    def own_limits(cls, limits: Thresholds) -> LabelLimits:
        """Those of label maps.

        Raises:
            ValueError: there are none.
        """
        if limits.labels is None:
            raise ValueError("label maps have no limits in this precision")
        return limits.labels

    @property
    def distance(self) -> float:
        """Share of the pixels that differ."""
        return 1 - self.agreement


def compare_labels(answer: Answer, limits: Thresholds) -> LabelMetrics:
    """Compare labels [B, H, W], or integers of any other shape, with the reference's.

    Raises:
        ValueError: another shape, labels that are no integers, or no limits to judge them by.
    """
    expected, got = answer.pair()
    if expected.ndim < 1 or expected.shape != got.shape or not expected.size:
        raise ValueError(f"labels have shape {list(got.shape)}, expected {list(expected.shape)}")
    if not all(np.issubdtype(one.dtype, np.integer) for one in (expected, got)):
        raise ValueError(f"labels of {got.dtype}, and of {expected.dtype} of the reference")
    own, same = LabelMetrics.own_limits(limits), expected == got
    logits = answer.expected.get(HEAD_LOGITS.name)
    decided = np.zeros_like(same)
    if logits is not None and expected.ndim == 3 and logits.ndim == 4:
        for index, one in enumerate(logits):
            decided[index] = _margins(one, same.shape[1:]) > own.margin
    return LabelMetrics(
        images=len(expected),
        non_finite=0,
        pixels=same.size,
        differing=int(same.size - same.sum()),
        agreement=float(same.mean()),
        decided=int(decided.sum()),
        decided_agreement=float(same[decided].mean()) if decided.any() else 1.0,
        mean_iou=mean_iou(expected, got),
    )


def mean_iou(expected: npt.NDArray[Any], got: npt.NDArray[Any]) -> float:
    """The mean over the classes in either array of shared by covered pixels."""
    names, both = np.unique(np.stack([expected, got]), return_inverse=True)
    first, second = both.reshape(2, -1)
    shared = np.bincount(first[first == second], minlength=len(names))
    covered = np.bincount(first, minlength=len(names)) + np.bincount(second, minlength=len(names))
    return float(np.mean(shared / (covered - shared)))


def _margins(logits: npt.NDArray[Any], size: tuple[int, ...]) -> npt.NDArray[Any]:
    """First minus second logit [H, W] of one image's [K, h, w], in units of their spread."""
    centred = logits - logits.mean(dtype=np.float64)
    spread = float(np.sqrt(np.mean(np.square(centred), dtype=np.float64))) or 1.0
    rows = []
    for part in _resized(logits, size[0], size[1]):
        lead = np.abs(part[0])
        if len(part) > 1:
            second, first = np.partition(part, -2, axis=0)[-2:]
            lead = first - second
        rows.append(lead / spread)
    return np.concatenate(rows)


def _resized(logits: npt.NDArray[Any], height: int, width: int) -> Iterator[npt.NDArray[Any]]:
    """Some rows [K, rows, width] after the other of the logits, resized bilinearly."""
    down, along = (
        bilinear(source, length).astype(np.float32)
        for source, length in zip(logits.shape[1:], (height, width), strict=True)
    )
    for start in range(0, height, _ROWS):
        yield down[start : start + _ROWS] @ logits @ along.T
