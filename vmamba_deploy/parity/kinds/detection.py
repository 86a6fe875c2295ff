"""Detections: boxes, scores, labels, count and masks, judged as the one answer that they are.

A detector decides: which anchors become proposals, which boxes suppress others, which scores are
above a threshold. Where a decision hangs on the last bits, rounding alone gives other detections,
and no runtime is wrong for it. So the reference is asked again for the same images, shaken by a
multiple of what the precision costs (`parity.inputs.shaken`, `DetectionLimits.shake`). A detection
is decided where every shaken answer has it within half the limits: then the candidate must have it,
within the limits. Of the undecided ones, each of which may come or go, most must have a partner
(`strange`).

Two detections match when they have the same label and boxes whose IoU is at least 0.5; of several
pairs the one of largest IoU comes first, and each detection is in one pair at most.

| figure           | definition                                                                    |
|------------------|-------------------------------------------------------------------------------|
| malformed        | images whose slots break the form: a count beyond them, scores that rise, a   |
|                  | detection behind the count, no label before it                                |
| detections       | of the reference                                                              |
| decided          | of those, kept within half the limits when shaken                             |
| found            | share of the decided that the candidate has; 1 when there are none            |
| found_of_all     | share of all the reference's detections that the candidate has                |
| known            | share of the candidate's that the reference has, shaken or not                |
| strange          | largest over the images, of the share of either side's detections that the    |
|                  | other does not have, shaken or not, two forgiven                              |
| count_difference | largest over the images, of the two numbers of detections                     |
| box_pixels       | largest difference of a side of a decided box, pixels of the input            |
| score_error      | largest difference of a decided score                                         |
| decided_masks    | decided detections whose mask, at 0.5, every shaken answer keeps within half  |
|                  | the limit                                                                     |
| mask_iou         | smallest IoU of those masks in the cells of their boxes; 1 when there are none|
| inexact          | images in which either side says that its NMS may differ (`exact` is 0)       |
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from vmamba_deploy.parity.figures import Answer, Arrays, Figures
from vmamba_deploy.precisions import DetectionLimits, Thresholds

FORGIVEN = 2
"""Undecided detections of an image that may come or go: of a few, one is a large share."""
MATCH_IOU = 0.5
"""From which on two boxes of a class are the same detection: NMS leaves no two of one side."""


@dataclass(frozen=True)
class DetectionMetrics(Figures):
    """Figures of detections; the module's text defines each. NaN where not computable."""

    malformed: int
    detections: int
    candidates: int
    decided: int
    found: float
    found_of_all: float
    known: float
    strange: float
    count_difference: float
    box_pixels: float
    score_error: float
    decided_masks: int
    mask_iou: float
    inexact: int

    limited: ClassVar[tuple[str, ...]] = (
        "malformed", "found", "strange", "box_pixels", "score_error", "mask_iou",
    )  # fmt: skip
    least: ClassVar[frozenset[str]] = frozenset({"found", "mask_iou"})
    summed: ClassVar[tuple[str, ...]] = (
        *Figures.summed, "malformed", "detections", "candidates", "decided", "decided_masks",
        "inexact",
    )  # fmt: skip
    largest: ClassVar[tuple[str, ...]] = (
        "strange", "count_difference", "box_pixels", "score_error",
    )  # fmt: skip
    smallest: ClassVar[tuple[str, ...]] = ("mask_iou",)
    shares: ClassVar[Mapping[str, str]] = MappingProxyType(
        {"found": "decided", "found_of_all": "detections", "known": "candidates"}
    )

    @classmethod
    def own_limits(cls, limits: Thresholds) -> DetectionLimits:
        """Those of detections.

        Raises:
            ValueError: there are none.
        """
        if limits.detections is None:
            raise ValueError("detections have no limits in this precision")
        return limits.detections

    @property
    def distance(self) -> float:
        """Share of the decided detections that are not found."""
        return 1 - self.found


@dataclass(frozen=True)
class _Detected:
    """The detections of one image: boxes [N,4], scores [N], labels [N], masks [N,S,S] as bool."""

    boxes: npt.NDArray[np.float64]
    scores: npt.NDArray[np.float64]
    labels: npt.NDArray[np.int64]
    masks: npt.NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.scores)


@dataclass(frozen=True)
class _Pairing:
    """Of each detection of one side its partner of the other, or -1, and how far that is off."""

    partner: npt.NDArray[np.int64]
    pixels: npt.NDArray[np.float64]
    score: npt.NDArray[np.float64]
    mask_iou: npt.NDArray[np.float64]

    @property
    def found(self) -> npt.NDArray[np.bool_]:
        return np.asarray(self.partner >= 0)

    def steady(self, limits: DetectionLimits) -> npt.NDArray[np.bool_]:
        """Found, with box and score within half the limits."""
        near = (self.pixels <= limits.box_pixels / 2) & (self.score <= limits.score_error / 2)
        return np.asarray(self.found & near)

    def steady_mask(self, limits: DetectionLimits) -> npt.NDArray[np.bool_]:
        """With a mask within half the limit."""
        return np.asarray(1 - self.mask_iou <= (1 - limits.mask_iou) / 2)


def compare_detections(answer: Answer, limits: Thresholds) -> DetectionMetrics:
    """Compare the detections of a batch with the reference's.

    Raises:
        ValueError: the reference was not shaken, or there are no limits to judge by.
    """
    own = DetectionMetrics.own_limits(limits)
    if not answer.shaken:
        raise ValueError("what a detector decides is not known of a reference that was not shaken")
    floats = [answer.got[name] for name in answer.names if answer.got[name].dtype.kind == "f"]
    bad = sum(int(np.count_nonzero(~np.isfinite(one))) for one in floats)
    images = len(answer.got["count"])
    if bad:
        return DetectionMetrics.unknown(images, bad)
    judged = [_compare_image(answer, index, own) for index in range(images)]
    return DetectionMetrics(**DetectionMetrics.combined(judged))


def _compare_image(answer: Answer, index: int, limits: DetectionLimits) -> DetectionMetrics:
    expected, got = _detected(answer.expected, index), _detected(answer.got, index)
    again = [_detected(one, index) for one in answer.shaken]
    kept = [_pair(expected, one) for one in again]
    decided = np.logical_and.reduce([one.steady(limits) for one in kept])
    steady = np.logical_and.reduce([one.steady_mask(limits) for one in kept])
    to_candidate = _pair(expected, got)
    has = to_candidate.found
    judged, masks = decided & has, decided & has & steady
    known = np.logical_or.reduce([_pair(got, one).found for one in (expected, *again)])
    exact = [bool(side["exact"][index]) for side in (answer.expected, answer.got)]
    return DetectionMetrics(
        images=1,
        non_finite=0,
        malformed=int(not _well_formed(answer.got, index)),
        detections=len(expected),
        candidates=len(got),
        decided=int(decided.sum()),
        found=_share(has[decided]),
        found_of_all=_share(has),
        known=_share(known),
        strange=max(_beyond_forgiven(has), _beyond_forgiven(known)),
        count_difference=float(abs(len(expected) - len(got))),
        box_pixels=float(to_candidate.pixels[judged].max(initial=0.0)),
        score_error=float(to_candidate.score[judged].max(initial=0.0)),
        decided_masks=int(masks.sum()),
        mask_iou=float(to_candidate.mask_iou[masks].min(initial=1.0)),
        inexact=int(not all(exact)),
    )


def _beyond_forgiven(has_partner: npt.NDArray[np.bool_]) -> float:
    """Share of an image's detections that have none, after the first ones."""
    return float(max(0, int((~has_partner).sum()) - FORGIVEN) / max(len(has_partner), 1))


def _share(values: npt.NDArray[np.bool_]) -> float:
    return float(values.mean()) if values.size else 1.0


def _well_formed(outputs: Arrays, index: int) -> bool:
    """Whether the slots of an image are as the task has them."""
    slots, count = len(outputs["scores"][index]), int(outputs["count"][index])
    if not 0 <= count <= slots:
        return False
    scores, labels = outputs["scores"][index], outputs["labels"][index]
    behind = [outputs[name][index][count:] for name in ("boxes", "scores", "masks")]
    return bool(
        (np.diff(scores[:count]) <= 0).all()
        and (labels[:count] >= 0).all()
        and (labels[count:] == -1).all()
        and not any(one.any() for one in behind)
    )


def _detected(outputs: Arrays, index: int) -> _Detected:
    slots = len(outputs["scores"][index])
    count = min(max(int(outputs["count"][index]), 0), slots)
    return _Detected(
        outputs["boxes"][index][:count].astype(np.float64),
        outputs["scores"][index][:count].astype(np.float64),
        outputs["labels"][index][:count].astype(np.int64),
        outputs["masks"][index][:count] >= 0.5,
    )


def _pair(ones: _Detected, others: _Detected) -> _Pairing:
    partner = matches(ones.boxes, ones.labels, others.boxes, others.labels)
    pixels, score = np.full(len(ones), np.inf), np.full(len(ones), np.inf)
    iou = np.zeros(len(ones))
    mine = np.flatnonzero(partner >= 0)
    theirs = partner[mine]
    pixels[mine] = np.abs(ones.boxes[mine] - others.boxes[theirs]).max(axis=1, initial=0.0)
    score[mine] = np.abs(ones.scores[mine] - others.scores[theirs])
    iou[mine] = _mask_iou(ones.masks[mine], others.masks[theirs])
    return _Pairing(partner, pixels, score, iou)


def matches(
    boxes: npt.NDArray[Any],
    labels: npt.NDArray[Any],
    other_boxes: npt.NDArray[Any],
    other_labels: npt.NDArray[Any],
) -> npt.NDArray[np.int64]:
    """The index among the other detections of each one's match, -1 where it has none.

    Args:
        boxes, other_boxes: [N,4] and [M,4], x1, y1, x2, y2 in pixels.
        labels, other_labels: [N] and [M].
    """
    overlap = np.where(labels[:, None] == other_labels, box_iou(boxes, other_boxes), 0.0)
    partner = np.full(len(boxes), -1, dtype=np.int64)
    taken: set[int] = set()
    for place in np.argsort(-overlap, axis=None, kind="stable"):
        mine, theirs = divmod(int(place), len(other_boxes))
        if overlap[mine, theirs] < MATCH_IOU:
            break
        if partner[mine] < 0 and theirs not in taken:
            partner[mine] = theirs
            taken.add(theirs)
    return partner


def box_iou(boxes: npt.NDArray[Any], others: npt.NDArray[Any]) -> npt.NDArray[np.float64]:
    """Intersection over union [N, M] of boxes [N,4] and [M,4]; 0 where both are empty."""
    low = np.maximum(boxes[:, None, :2], others[None, :, :2])
    high = np.minimum(boxes[:, None, 2:], others[None, :, 2:])
    shared = np.prod(np.maximum(high - low, 0.0), axis=2)
    union = _areas(boxes)[:, None] + _areas(others)[None] - shared
    return np.asarray(shared / np.where(union > 0, union, 1.0))


def _areas(boxes: npt.NDArray[Any]) -> npt.NDArray[Any]:
    return np.asarray((boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1]))


def _mask_iou(
    ones: npt.NDArray[np.bool_], others: npt.NDArray[np.bool_]
) -> npt.NDArray[np.float64]:
    """IoU [N] of masks [N,S,S] in pairs; two empty ones are equal."""
    shared = np.sum(ones & others, axis=(1, 2))
    covered = np.sum(ones | others, axis=(1, 2))
    return np.where(covered > 0, shared / np.maximum(covered, 1), 1.0)
