"""Masks over the picture, as the public code pastes them, and run lengths, as COCO has them."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.dense_golden import DETECTIONS, arrays, paste_masks, pasted_masks
from vmamba_deploy.tasks.masks import coco_rle, paste_mask, run_lengths


@pytest.mark.parametrize("name", DETECTIONS)
def test_the_masks_of_the_public_code(name):
    golden, expected = arrays(name), pasted_masks(name)
    heads = [golden[key] for key in golden if key.startswith("mask_logits")]
    cells = np.mean([1 / (1 + np.exp(-logits)) for logits in heads], axis=0)
    assert 5 <= len(cells) <= len(expected)
    got = paste_masks(cells, golden["boxes"][: len(cells)], expected.shape[1:])
    np.testing.assert_array_equal(got, expected[: len(cells)])


def sampled(cells: np.ndarray, u: float, v: float) -> float:
    """Bilinear in float64, cells having their centres at halves; 0 outside."""
    total = 0.0
    for row in (math.floor(v - 0.5), math.floor(v - 0.5) + 1):
        for column in (math.floor(u - 0.5), math.floor(u - 0.5) + 1):
            if 0 <= row < cells.shape[0] and 0 <= column < cells.shape[1]:
                weight = (1 - abs(v - 0.5 - row)) * (1 - abs(u - 0.5 - column))
                total += weight * cells[row, column]
    return total


coordinates = st.floats(-8, 30, width=32)


@settings(max_examples=60)
@given(
    ends=st.tuples(coordinates, coordinates, coordinates, coordinates),
    size=st.tuples(st.integers(1, 24), st.integers(1, 24)),
    seed=st.integers(0, 2**32 - 1),
)
def test_every_pixel_by_its_centre(ends, size, seed):
    cells = np.random.default_rng(seed).random((28, 28), dtype=np.float32)
    left, right, top, bottom = *sorted(ends[:2]), *sorted(ends[2:])
    if right - left < 1e-3 or bottom - top < 1e-3:
        return
    mask = paste_mask(cells, (left, top, right, bottom), size)
    assert mask.shape == size
    for y in range(size[0]):
        for x in range(size[1]):
            u = (x + 0.5 - left) / (right - left) * 28
            v = (y + 0.5 - top) / (bottom - top) * 28
            exact = sampled(cells, u, v)
            assert mask[y, x] == (exact >= 0.5) or abs(exact - 0.5) < 1e-9


def test_a_box_without_an_extent_shows_its_middle_as_the_reference_does():
    cells = np.zeros((28, 28), np.float32)
    cells[:, 13:15] = 0.75
    mask = paste_mask(cells, (4.25, 2, 4.25, 8), (10, 12))
    assert mask[2:8, 3:6].all()
    assert mask.sum() == mask[1:9, 3:6].sum()


def test_a_box_outside_of_the_picture_covers_nothing():
    cells = np.ones((28, 28), np.float32)
    for box in ((-30, -30, -10, -10), (50, 0, 60, 5), (0, 50, 5, 60)):
        assert not paste_mask(cells, box, (20, 20)).any()
    assert paste_mask(cells, (-5, -5, 50, 50), (20, 20)).all()


def test_a_probability_of_exactly_a_half_is_foreground():
    cells = np.full((28, 28), 0.5, np.float32)
    assert paste_mask(cells, (-5, -5, 50, 50), (20, 20)).all()


def decoded(rle: dict) -> np.ndarray:
    """The mask of a run-length text, by COCO's format: each length after the second is less the one
    two before it."""
    numbers, shift, value = [], 0, 0
    for character in rle["counts"]:
        bits = ord(character) - 48
        value |= (bits & 0x1F) << shift
        shift += 5
        if not bits & 0x20:
            numbers.append(value - (1 << shift) if bits & 0x10 else value)
            shift = value = 0
    for place in range(3, len(numbers)):
        numbers[place] += numbers[place - 2]
    flat = np.repeat(np.arange(len(numbers)) % 2 == 1, numbers)
    return flat.reshape(rle["size"][::-1]).T


@given(
    size=st.tuples(st.integers(1, 60), st.integers(1, 60)),
    share=st.floats(0, 1),
    block=st.integers(1, 9),
    seed=st.integers(0, 2**32 - 1),
)
def test_run_lengths_give_the_mask_back(size, share, block, seed):
    drawn = np.random.default_rng(seed).random(size) < share
    mask = np.kron(drawn, np.ones((block, 3))) > 0
    lengths = run_lengths(mask)
    assert sum(lengths) == mask.size
    assert sum(lengths[1::2]) == mask.sum()
    assert all(length > 0 for length in lengths[1:])
    np.testing.assert_array_equal(decoded(coco_rle(mask)), mask)


# Written by pycocotools 2.0.
@pytest.mark.parametrize(
    ("mask", "counts"),
    [
        (np.zeros((3, 4), bool), "<"),
        (np.ones((3, 4), bool), "0<"),
        (np.eye(5, dtype=bool), "0150000000"),
        (
            np.indices((30, 20)).sum(axis=0) % 17 < 6,
            "06;0LO41MN32NM23OL140K050K050LO41MN32NM23OL140K050K050K050K050K050K050K050LO41MN32N",
        ),
    ],
    ids=["empty", "full", "diagonal", "waves"],
)
def test_the_text_of_coco_s_own_tool(mask, counts):
    assert coco_rle(mask) == {"size": list(mask.shape), "counts": counts}
