"""Detections: figures against plain loops, what shaking decides, and what must be noticed."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from vmamba_deploy.errors import UsageError
from vmamba_deploy.parity.compare import compare_runtimes
from vmamba_deploy.parity.figures import Answer
from vmamba_deploy.parity.inputs import InputSet
from vmamba_deploy.parity.kinds.detection import box_iou, compare_detections, matches
from vmamba_deploy.precisions import PRECISIONS, DetectionLimits
from vmamba_deploy.runtimes.base import RuntimeStatus
from vmamba_deploy.tasks.detection import DETECTION

SLOTS, SIDE, PICTURE = 100, 28, 600
LIMITS = replace(
    PRECISIONS["fp32"].thresholds,
    detections=DetectionLimits(1e-3, strange=0.1, box_pixels=0.5, score_error=0.01, mask_iou=0.9),
)


def detections(count=12, classes=5, rng=None):
    """One image's detections in the form of the task, no two of a class on one place."""
    rng = rng or np.random.default_rng()
    cells = rng.permutation(36)[:count]
    corner = np.stack([cells % 6, cells // 6], axis=1) * 100.0 + rng.uniform(0, 20, (count, 2))
    boxes = np.concatenate([corner, corner + rng.uniform(40, 75, (count, 2))], axis=1)
    masks = rng.random((count, SIDE // 4, SIDE // 4)).repeat(4, 1).repeat(4, 2)
    return form(
        boxes, np.sort(rng.uniform(0.2, 1, count))[::-1], rng.integers(0, classes, count), masks
    )


def form(boxes, scores, labels, masks):
    count = len(boxes)

    def filled(values, empty=0):
        full = np.full((1, SLOTS, *np.shape(values)[1:]), empty, np.asarray(values).dtype)
        full[0, :count] = values
        return full

    return {
        "boxes": filled(boxes.astype(np.float32)),
        "scores": filled(scores.astype(np.float32)),
        "labels": filled(labels.astype(np.int32), -1),
        "count": np.array([count], np.int32),
        "masks": filled(masks.astype(np.float32)),
        "exact": np.ones(1, np.int32),
    }


def only(outputs, chosen):
    """The chosen detections of an image, by slot."""
    return form(*(outputs[name][0][chosen] for name in ("boxes", "scores", "labels", "masks")))


def changed(outputs, name, change):
    values = outputs[name].copy()
    change(values[0])
    return outputs | {name: values}


def compare(expected, got, shaken=None, limits=LIMITS):
    again = (expected,) if shaken is None else tuple(shaken)
    return compare_detections(Answer(DETECTION.output_names, expected, got, again), limits)


def test_equal_detections_are_all_found_and_decided() -> None:
    one = detections()
    got = compare(one, one)
    assert (got.detections, got.candidates, got.decided, got.decided_masks) == (12, 12, 12, 12)
    assert (got.found, got.found_of_all, got.known, got.mask_iou) == (1, 1, 1, 1)
    assert (got.box_pixels, got.score_error, got.count_difference, got.malformed) == (0, 0, 0, 0)
    assert got.violations(LIMITS) == []


def test_iou_and_matches_against_plain_loops() -> None:
    rng = np.random.default_rng()
    ones, others = (rng.uniform(0, 60, (n, 4)) for n in (9, 14))
    for boxes in (ones, others):
        boxes[:, 2:] = boxes[:, :2] + rng.uniform(0, 40, (len(boxes), 2))
    got = box_iou(ones, others)
    for i, a in enumerate(ones):
        for j, b in enumerate(others):
            wide = max(0.0, min(a[2], b[2]) - max(a[0], b[0]))
            high = max(0.0, min(a[3], b[3]) - max(a[1], b[1]))
            areas = [(c[2] - c[0]) * (c[3] - c[1]) for c in (a, b)]
            assert got[i, j] == pytest.approx(wide * high / (sum(areas) - wide * high))
    labels, other_labels = rng.integers(0, 2, 9), rng.integers(0, 2, 14)
    partner = matches(ones, labels, others, other_labels)
    taken = partner[partner >= 0]
    assert len(set(taken)) == len(taken)
    for mine, theirs in enumerate(partner):
        if theirs >= 0:
            assert labels[mine] == other_labels[theirs]
            assert got[mine, theirs] >= 0.5


def test_no_detection_at_all_is_an_answer_too() -> None:
    none, some = only(detections(), []), detections(3)
    assert compare(none, none).violations(LIMITS) == []
    (text,) = compare(none, some).violations(LIMITS)
    assert text.startswith("strange 0.333 ")
    assert compare(none, detections(2)).violations(LIMITS) == []
    found = compare(some, none).violations(LIMITS)
    assert [text.split()[:2] for text in found] == [["found", "0"], ["strange", "0.333"]]


def move(pixels):
    def change(boxes):
        boxes[3] += pixels

    return change


def next_class(labels):
    labels[labels >= 0] += 1


def turn(masks):
    masks[2] = 1 - masks[2]


@pytest.mark.parametrize(
    ("mutate", "figure"),
    [
        (lambda one: changed(one, "boxes", move(2.0)), "box_pixels"),
        (lambda one: changed(one, "boxes", move(80.0)), "found"),
        (lambda one: changed(one, "labels", next_class), "found"),
        (lambda one: only(one, [0, *range(2, 12)]), "found"),
        (lambda one: changed(one, "masks", turn), "mask_iou"),
        (lambda one: one | {"masks": np.swapaxes(one["masks"], 2, 3)}, "mask_iou"),
        (lambda one: one | {"scores": one["scores"] * np.float32(0.95)}, "score_error"),
        (lambda one: one | {"boxes": one["boxes"][..., [1, 0, 3, 2]]}, "found"),
        (lambda one: one | {"count": one["count"] - 1}, "malformed"),
        (lambda one: one | {"count": one["count"] + 100}, "malformed"),
        (lambda one: only(one, [1, 0, *range(2, 12)]), "malformed"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_noticed(mutate, figure) -> None:
    one = detections()
    found = compare(one, mutate(one)).violations(LIMITS)
    assert figure in [text.split()[0] for text in found]


def test_a_class_swapped_between_two_detections_is_noticed() -> None:
    one = detections(classes=2)
    places = [int(np.flatnonzero(one["labels"][0] == label)[0]) for label in (0, 1)]

    def swap(labels):
        labels[places] = labels[places[::-1]]

    assert compare(one, changed(one, "labels", swap)).violations(LIMITS)


def test_additional_detections_are_noticed() -> None:
    every = detections(20)
    got = compare(only(every, range(15)), every)
    assert (got.known, got.strange) == (pytest.approx(15 / 20), pytest.approx(3 / 20))
    assert (got.count_difference, got.found) == (5, 1.0)
    assert [text.split()[0] for text in got.violations(LIMITS)] == ["strange"]


def test_where_nothing_is_decided_most_must_still_have_a_partner() -> None:
    one, other = detections(20), detections(20, classes=40)
    half = only(one, range(10))
    got = compare(one, half, shaken=[other])
    assert (got.decided, got.strange) == (0, pytest.approx(8 / 20))
    assert [text.split()[0] for text in got.violations(LIMITS)] == ["strange"]
    assert compare(one, only(one, range(18)), shaken=[other]).violations(LIMITS) == []


def test_what_the_shaken_reference_loses_is_not_asked_of_the_candidate() -> None:
    one = detections()
    without = only(one, [0, 1, *range(3, 12)])
    got = compare(one, without, shaken=[one, without])
    assert (got.decided, got.found, got.found_of_all) == (11, 1.0, pytest.approx(11 / 12))
    assert got.violations(LIMITS) == []
    assert compare(one, only(one, range(1, 12)), shaken=[one, without]).found < 1


@pytest.mark.parametrize(
    ("name", "change"), [("boxes", move(0.3)), ("scores", lambda s: np.multiply(s, 0.9, out=s))]
)
def test_what_moves_by_half_the_limits_when_shaken_is_not_decided(name, change) -> None:
    one = detections()
    other = changed(one, name, change)
    got = compare(one, other, shaken=[other])
    assert got.decided < 12
    assert got.violations(LIMITS) == []


def test_a_mask_that_changes_when_shaken_is_not_judged_and_its_box_is() -> None:
    one = detections()
    other = changed(one, "masks", turn)
    got = compare(one, other, shaken=[other])
    assert (got.decided, got.decided_masks, got.mask_iou) == (12, 11, 1.0)
    assert compare(one, changed(other, "boxes", move(90.0)), shaken=[other]).found < 1


def test_what_a_shaken_reference_adds_is_known() -> None:
    every = detections(20)
    fewer = only(every, range(17))
    assert compare(fewer, every, shaken=[every]).violations(LIMITS) == []


@pytest.mark.parametrize("name", ["boxes", "scores", "masks"])
@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_values_that_are_not_finite_fail(name, value) -> None:
    one = detections()

    def spoil(values):
        values[(99, *[0] * (values.ndim - 1))] = value

    (text,) = compare(one, changed(one, name, spoil)).violations(LIMITS)
    assert text == "1 output values are NaN or infinite"


def test_inexact_images_are_counted_on_either_side() -> None:
    one = detections()
    inexact = one | {"exact": np.zeros(1, np.int32)}
    assert [compare(one, inexact).inexact, compare(inexact, one).inexact] == [1, 1]
    assert compare(one, one).inexact == 0


def test_a_reference_that_was_not_shaken_and_limits_that_are_not_there_are_refused() -> None:
    one = detections()
    with pytest.raises(ValueError, match="shaken"):
        compare(one, one, shaken=[])
    with pytest.raises(ValueError, match="no limits"):
        compare(one, one, limits=replace(LIMITS, detections=None))


class Detector:
    """Boxes at bright places of the image; a test may spoil what it gives."""

    name = "onnxruntime-body"

    def __init__(self, spoil=None, calls=None):
        self.spoil, self.calls = spoil, calls

    def status(self):
        return RuntimeStatus(True, "here")

    def open(self):
        return self

    def close(self):
        pass

    def __call__(self, pixel_values, sizes=None):
        if self.calls is not None:
            self.calls.append(sizes)
        parts = []
        for image in pixel_values:
            cells = image[0].reshape(4, 16, 4, 16).mean(axis=(1, 3)).ravel()
            order = np.argsort(-cells)[:8]
            corner = np.stack([order % 4, order // 4], axis=1) * 16.0 + cells[order, None]
            boxes = np.concatenate([corner, corner + 14], axis=1)
            masks = np.repeat(cells[order], SIDE * SIDE).reshape(8, SIDE, SIDE) % 1.0
            parts.append(form(boxes, 1 / (1 + np.exp(-cells[order])), order % 3, masks))
        made = {name: np.concatenate([one[name] for one in parts]) for name in parts[0]}
        return made if self.spoil is None else self.spoil(made)


def judged(spoil=None, precision="fp16"):
    pixels = np.random.default_rng().standard_normal((2, 3, 64, 64), dtype=np.float32)
    sizes = np.array([[64, 64], [60, 50]], np.int64)
    one = InputSet("photos-b2", pixels, ("cat", "rocket"), {"sizes": sizes})
    calls: list[object] = []
    (result,) = compare_runtimes(
        Detector(calls=calls), [Detector(spoil, calls)], [one], precision, task=DETECTION
    )
    # Once, four times shaken, and the candidate: each with the sizes.
    assert len(calls) == 6
    assert all(one is sizes for one in calls)
    return result


def test_a_detector_is_judged_as_one_answer() -> None:
    result = judged()
    assert (result.status, result.reason, result.output) == ("passed", "", "detection")
    assert [(one.name, one.kind) for one in result.outputs] == [("detection", "detection")]
    assert result.metrics.detections == 16
    assert result.metrics.decided > 0


def test_a_wrong_detector_fails() -> None:
    result = judged(
        lambda made: made | {"labels": np.where(made["labels"] < 0, -1, 2 - made["labels"])}
    )
    assert result.status == "failed"
    assert "found" in result.reason
    result = judged(lambda made: made | {"masks": made["masks"][..., :14]})
    assert "masks have shape [2, 100, 28, 14], expected [2, 100, 28, 28]" in result.reason


def test_a_precision_without_limits_is_refused() -> None:
    with pytest.raises(UsageError, match="bf16"):
        judged(precision="bf16")
