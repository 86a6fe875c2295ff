"""The photograph that a report shows is the one that the network saw."""

from __future__ import annotations

import numpy as np

from vmamba_deploy.parity.exhibits import Exhibits
from vmamba_deploy.parity.inputs import InputSet
from vmamba_deploy.parity.witness import Compared
from vmamba_deploy.preprocessing import DETECTION_PREPROCESSING, normalise
from vmamba_deploy.preprocessing.specification import Preprocessing


def told(exhibits, runtime, name, images, pixels, **others):
    outputs = {"labels": np.arange(len(images) * 4).reshape(len(images), 2, 2)}
    exhibits(Compared(runtime, InputSet(name, pixels, images, others), outputs, outputs))


def test_the_first_photograph_of_each_runtime_is_kept_as_it_was() -> None:
    photo = np.random.default_rng().integers(0, 256, (20, 24, 3), dtype=np.uint8)
    own = Preprocessing((20, 24), 20)
    pixels = np.stack([normalise(photo, own), np.zeros((3, 20, 24), np.float32)])
    exhibits = Exhibits(own)
    told(exhibits, "pytorch", "black-b1", ("black",), pixels[:1] * 0)
    told(exhibits, "pytorch", "photos-b2", ("cat", "normal"), pixels)
    told(exhibits, "pytorch", "again-b1", ("coffee",), pixels[1:])
    told(exhibits, "onnxruntime-body", "photos-b1", ("cat",), pixels[:1])
    first, second = exhibits.kept
    assert (first.runtime, second.runtime, first.photo) == ("pytorch", "onnxruntime-body", "cat")
    np.testing.assert_array_equal(first.pixels, photo)
    assert first.size == (20, 24)
    np.testing.assert_array_equal(first.expected["labels"], [[0, 1], [2, 3]])


def test_as_many_different_photographs_are_kept_as_are_asked_for() -> None:
    own = Preprocessing((8, 8), 8)
    pixels = np.random.default_rng().normal(size=(4, 3, 8, 8)).astype(np.float32)
    exhibits = Exhibits(own, photos=2)
    told(exhibits, "pytorch", "photos-b1", ("cat",), pixels[:1])
    told(exhibits, "pytorch", "photos-b4", ("cat", "coffee", "normal", "rocket"), pixels)
    assert [one.photo for one in exhibits.kept] == ["cat", "coffee"]
    np.testing.assert_array_equal(exhibits.kept[1].got["labels"], [[4, 5], [6, 7]])


def test_bytes_are_shown_as_they_are_and_padding_is_known() -> None:
    photo = np.random.default_rng().integers(0, 256, (1, 32, 64, 3), dtype=np.uint8)
    exhibits = Exhibits(DETECTION_PREPROCESSING)
    told(exhibits, "pytorch", "photos-b1", ("cat",), photo, sizes=np.array([[30, 50]]))
    (one,) = exhibits.kept
    np.testing.assert_array_equal(one.pixels, photo[0])
    assert one.size == (30, 50)


def test_other_channels_are_shown_as_grey() -> None:
    pixels = np.random.default_rng().integers(0, 256, (1, 8, 8, 1), dtype=np.uint8)
    exhibits = Exhibits(Preprocessing((8, 8), 8, mean=(0.5,), std=(0.5,)))
    told(exhibits, "pytorch", "photos-b1", ("cat",), pixels)
    (one,) = exhibits.kept
    assert one.pixels.shape == (8, 8, 3)
