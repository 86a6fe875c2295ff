"""Label maps: figures against PyTorch's own resize, and what must be noticed."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from vmamba_deploy.parity.compare import compare_runtimes
from vmamba_deploy.parity.figures import Answer
from vmamba_deploy.parity.inputs import InputSet
from vmamba_deploy.parity.kinds.label_map import compare_labels, mean_iou
from vmamba_deploy.precisions import PRECISIONS, LabelLimits
from vmamba_deploy.runtimes.base import RuntimeStatus
from vmamba_deploy.tasks.segmentation import SEGMENTATION

CLASSES = 6
LIMITS = replace(PRECISIONS["fp32"].thresholds, labels=LabelLimits(margin=0.2, agreement=0.9))


def resized(logits: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    exact = torch.from_numpy(logits.astype(np.float64))
    return torch.nn.functional.interpolate(exact, size, mode="bilinear").numpy()


def sides(size=(37, 53), batch=2, noise=0.0):
    """Head logits at a quarter of the size, and labels of both sides."""
    rng = np.random.default_rng()
    logits = rng.standard_normal((batch, CLASSES, -(-size[0] // 4), -(-size[1] // 4)))
    logits = logits.astype(np.float32)
    wide = resized(logits, size)
    labels = wide.argmax(axis=1).astype(np.int32)
    near = (wide + noise * rng.standard_normal(wide.shape)).argmax(axis=1).astype(np.int32)
    return logits, wide, labels, near


def compare(logits, labels, got, limits=LIMITS):
    expected = {"labels": labels} | ({} if logits is None else {"logits": logits})
    return compare_labels(Answer(("labels",), expected, {"labels": got}), limits)


def test_figures_against_a_plain_count_in_float64() -> None:
    logits, wide, labels, near = sides(noise=0.3)
    got = compare(logits, labels, near)
    best = np.sort(wide, axis=1)
    spread = np.array([one.std() for one in logits.astype(np.float64)])
    margin = (best[:, -1] - best[:, -2]) / spread[:, None, None]
    same = labels == near
    ious = []
    for name in range(CLASSES):
        one, other = labels == name, near == name
        if (one | other).any():
            ious.append((one & other).sum() / (one | other).sum())
    assert (got.images, got.pixels, got.differing) == (2, same.size, (~same).sum())
    assert got.agreement == pytest.approx(same.mean())
    # A margin within float32's rounding of the tolerance may fall on either side.
    assert abs(got.decided - (margin > 0.2).sum()) <= 2
    assert got.decided_agreement == pytest.approx(same[margin > 0.2].mean(), abs=2e-3)
    assert got.mean_iou == pytest.approx(np.mean(ious))


def test_a_tie_that_breaks_the_other_way_is_no_fault_and_a_decided_pixel_is() -> None:
    logits, wide, labels, _ = sides(batch=1)
    order = np.argsort(wide[0], axis=0)
    margin = np.take_along_axis(wide[0], order[-1:], 0) - np.take_along_axis(
        wide[0], order[-2:-1], 0
    )
    second = order[-2]
    flipped = [labels.copy(), labels.copy()]
    for one, pick in zip(flipped, (margin[0].argmin(), margin[0].argmax()), strict=True):
        place = np.unravel_index(pick, second.shape)
        one[0][place] = second[place]
    assert compare(logits, labels, flipped[0]).violations(LIMITS) == []
    (text,) = compare(logits, labels, flipped[1]).violations(LIMITS)
    assert text.startswith("decided_agreement")


def test_a_single_logit_is_decided_by_its_distance_from_0() -> None:
    logits = np.array([[[[-2.0, 0.01], [-0.01, 2.0]]]], np.float32)
    labels = (logits[:, 0] > 0).astype(np.int32)
    same = compare(logits, labels, labels)
    assert (same.pixels, same.decided, same.decided_agreement) == (4, 2, 1.0)
    near, far = labels.copy(), labels.copy()
    near[0, 0, 1] = 0
    far[0, 1, 1] = 0
    limits = replace(LIMITS, labels=LabelLimits(margin=0.2, agreement=0.5))
    assert compare(logits, labels, near).violations(limits) == []
    (text,) = compare(logits, labels, far).violations(limits)
    assert text.startswith("decided_agreement")


def test_without_logits_nothing_is_decided_and_agreement_is_still_judged() -> None:
    _, _, labels, _ = sides()
    same = compare(None, labels, labels)
    assert (same.decided, same.decided_agreement, same.violations(LIMITS)) == (0, 1.0, [])
    other = labels.copy()
    other[:, : labels.shape[1] // 5] = CLASSES - 1 - other[:, : labels.shape[1] // 5]
    found = compare(None, labels, other).violations(LIMITS)
    assert [text.split()[0] for text in found] == ["agreement"]


def test_a_lost_small_class_is_seen_where_it_was_decided() -> None:
    labels = np.zeros((1, 40, 40), np.int32)
    labels[0, 20:] = 1
    labels[0, :4, :4] = 2
    logits = np.stack([labels[:, ::4, ::4] == name for name in range(3)], axis=1) * 9.0
    lost = np.where(labels == 2, 0, labels)
    got = compare(logits.astype(np.float32), labels, lost)
    assert (got.agreement, got.mean_iou < 0.7) == (0.99, True)
    assert [text.split()[0] for text in got.violations(LIMITS)] == ["decided_agreement"]


@pytest.mark.parametrize(
    "got", [np.zeros((1, 4, 5), np.int32), np.zeros((2, 4, 4)), np.zeros((2, 4, 4, 1), np.int32)]
)
def test_what_are_no_label_maps_are_refused(got: np.ndarray) -> None:
    with pytest.raises(ValueError, match="labels"):
        compare(None, np.zeros((2, 4, 4), np.int32), got)


def test_a_precision_without_limits_judges_nothing() -> None:
    labels = np.zeros((1, 4, 4), np.int32)
    with pytest.raises(ValueError, match="no limits"):
        compare(None, labels, labels, replace(LIMITS, labels=None))


def test_mean_iou_of_equal_and_of_disjoint_labels() -> None:
    ones = np.array([[3, 3], [7, 7]])
    assert mean_iou(ones, ones) == 1.0
    assert mean_iou(ones, ones[::-1]) == 0.0


class Labeller:
    """Labels, and logits where it is the reference, of linear logits that a test may spoil."""

    def __init__(self, name="onnxruntime-body", spoil=None):
        self.name, self.spoil = name, spoil

    def status(self):
        return RuntimeStatus(True, "here")

    def open(self):
        return self

    def close(self):
        pass

    def __call__(self, pixel_values):
        weight = np.random.default_rng(3).standard_normal((CLASSES, 3)).astype(np.float32)
        logits = np.einsum("kc,bchw->bkhw", weight, pixel_values[:, :, ::4, ::4])
        wide = resized(logits, pixel_values.shape[2:])
        if self.spoil is not None:
            wide = self.spoil(wide)
        labels = wide.argmax(axis=1).astype(np.int32)
        return {"labels": labels} | ({"logits": logits} if self.name == "pytorch" else {})


def judged(spoil=None, precision="fp32"):
    rng = np.random.default_rng()
    pixels = rng.standard_normal((2, 3, 32, 44), dtype=np.float32)
    sets = [InputSet("photos-b2", pixels, ("cat", "coffee"))]
    (result,) = compare_runtimes(
        Labeller("pytorch"), [Labeller(spoil=spoil)], sets, precision, task=SEGMENTATION
    )
    return result


def test_right_labels_pass_and_pixels_are_decided() -> None:
    result = judged()
    assert (result.status, result.output) == ("passed", "labels")
    assert result.metrics.decided > result.metrics.pixels / 2
    assert [(one.name, one.kind) for one in result.outputs] == [("labels", "label_map")]


@pytest.mark.parametrize("precision", PRECISIONS)
@pytest.mark.parametrize(
    "spoil",
    [
        lambda wide: wide[:, ::-1],  # classes in another order
        lambda wide: np.roll(wide, 1, axis=1),  # one class off
        lambda wide: np.roll(wide, 4, axis=3),  # a pixel of the head aside
        lambda wide: wide[..., ::-1],  # mirrored
        lambda wide: np.repeat(np.repeat(wide[..., ::4, ::4], 4, 2), 4, 3),  # nearest, not bilinear
    ],
)
def test_wrong_labels_fail(spoil, precision) -> None:
    result = judged(spoil, precision)
    assert result.status == "failed"
    assert "agreement" in result.reason
