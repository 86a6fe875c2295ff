"""Labels of the original picture: as the public code has them, and against a float64 reference."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.dense_golden import SEGMENTATIONS, arrays, models
from vmamba_deploy.tasks import label_maps
from vmamba_deploy.tasks.label_maps import labels_from_logits, labels_from_map, resize_logits


def bilinear(image: np.ndarray, height: int, width: int) -> np.ndarray:
    """[C,h,w] to [C,height,width], pixel by pixel in float64."""
    out = np.empty((len(image), height, width))
    for y in range(height):
        for x in range(width):
            row = max((y + 0.5) * image.shape[1] / height - 0.5, 0)
            column = max((x + 0.5) * image.shape[2] / width - 0.5, 0)
            rows = (int(row), min(int(row) + 1, image.shape[1] - 1))
            columns = (int(column), min(int(column) + 1, image.shape[2] - 1))
            down, across = row - int(row), column - int(column)
            above, below = (
                (1 - across) * image[:, place, columns[0]] + across * image[:, place, columns[1]]
                for place in rows
            )
            out[:, y, x] = (1 - down) * above + down * below
    return out


@pytest.mark.parametrize("name", SEGMENTATIONS)
def test_the_labels_of_the_public_code(name):
    golden, original = arrays(name), tuple(models()[name]["original"])
    size = golden["image"].shape[1:3]
    for logits, labels, of_input in zip(
        golden["head_logits"], golden["labels_original_size"], golden["labels"], strict=True
    ):
        got = labels_from_logits(logits, padded=size, resized=size, original=original)
        np.testing.assert_array_equal(got, labels)
        np.testing.assert_array_equal(resize_logits(logits, size).argmax(0), of_input)
        # What the map of the input's size cannot know: labels at borders.
        nearest = labels_from_map(of_input, resized=size, original=original)
        assert 0.9 < (nearest == labels).mean() < 1


sides = st.integers(1, 40)


@settings(max_examples=40)
@given(
    logits=st.tuples(st.integers(1, 6), st.integers(1, 12), st.integers(1, 12)),
    resized=st.tuples(sides, sides),
    padding=st.tuples(st.integers(0, 9), st.integers(0, 9)),
    original=st.tuples(sides, sides),
    block=st.sampled_from([1, 50, 4 << 20]),
    seed=st.integers(0, 2**32 - 1),
)
def test_both_resizes_and_the_cut_between_them(logits, resized, padding, original, block, seed):
    values = np.random.default_rng(seed).standard_normal(logits).astype(np.float32)
    padded = resized[0] + padding[0], resized[1] + padding[1]
    of_input = bilinear(values.astype(np.float64), *padded)[:, : resized[0], : resized[1]]
    scores = bilinear(of_input, *original)
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(label_maps, "_BLOCK_VALUES", block)
        patched.setattr(label_maps, "_BLOCK_COLUMNS", min(block, 7))
        got = labels_from_logits(values, padded=padded, resized=resized, original=original)
    assert got.dtype == np.int32
    if len(scores) == 1:  # no or yes
        scores = np.concatenate([np.zeros_like(scores), scores])
    chosen = np.take_along_axis(scores, got[None], axis=0)[0]
    assert (scores.max(axis=0) - chosen < 1e-5).all()


@given(resized=st.tuples(sides, sides), original=st.tuples(sides, sides))
def test_the_nearest_pixel_of_the_input(resized, original):
    labels = np.arange(50 * 50).reshape(50, 50)
    got = labels_from_map(labels, resized=resized, original=original)
    for y, row in enumerate(got):
        for x, label in enumerate(row):
            # Halfway between two centres is at the border of two pixels: the later one.
            down = (2 * y + 1) * resized[0] // (2 * original[0])
            across = (2 * x + 1) * resized[1] // (2 * original[1])
            assert label == down * 50 + across
    if resized == original:
        np.testing.assert_array_equal(got, labels[: resized[0], : resized[1]])


def test_a_single_logit_is_yes_above_0_alone():
    logits = np.array([[[-1.0, 0.0, 1e-7, 3.0]]], np.float32)
    size = (1, 4)
    got = labels_from_logits(logits, padded=size, resized=size, original=size)
    np.testing.assert_array_equal(got, [[0, 0, 1, 1]])
