"""Arrays to calibrate on: files, folders, arrays in memory, and those that do not fit."""

from __future__ import annotations

import hashlib

import numpy as np
import pytest

from vmamba_deploy.errors import InputFileError
from vmamba_deploy.quantization.arrays import arrays_from, arrays_given, holds_arrays

GOOD = {"pixel_values": np.ones((2, 3, 32, 32), np.float32)}


@pytest.fixture
def model(digits_base):
    return digits_base("fp32")


def test_a_folder_is_a_sample_for_each_file(tmp_path, model) -> None:
    (tmp_path / "deep").mkdir()
    for place, name in enumerate(("b.npz", "deep/a.npz")):
        np.savez(tmp_path / name, pixel_values=place * GOOD["pixel_values"])
    (tmp_path / "notes.txt").write_text("no array")
    assert holds_arrays(tmp_path)
    found = arrays_from(tmp_path, model)
    assert list(found.files) == ["b.npz", "deep/a.npz"]
    digest = hashlib.sha256((tmp_path / "b.npz").read_bytes()).hexdigest()
    assert found.files["b.npz"] == digest
    assert [feed["pixel_values"].max() for feed in found.feeds()] == [0, 1]
    assert len(arrays_from(tmp_path / "b.npz", model)) == 1


def test_a_folder_of_images_holds_none(digits_folder) -> None:
    assert not holds_arrays(digits_folder)


def test_arrays_in_memory_are_known_by_their_bytes(model) -> None:
    other = {"pixel_values": 2 * GOOD["pixel_values"]}
    sums = [arrays_given([one], model).files for one in (GOOD, GOOD, other)]
    assert sums[0] == sums[1] != sums[2]


@pytest.mark.parametrize(
    ("sample", "words"),
    [
        ({}, "has nothing"),
        ({"image": GOOD["pixel_values"]}, "has image, and the network takes pixel_values"),
        (GOOD | {"gain": np.ones(3)}, "has gain, pixel_values"),
        ({"pixel_values": GOOD["pixel_values"].astype(float)}, "is float64"),
        ({"pixel_values": GOOD["pixel_values"][0]}, r"\[3, 32, 32\], expected"),
        ({"pixel_values": GOOD["pixel_values"][..., :31]}, "expected"),
        ({"pixel_values": GOOD["pixel_values"][:0]}, "expected"),
    ],
)
def test_arrays_that_do_not_fit_are_refused(model, sample, words) -> None:
    with pytest.raises(InputFileError, match=words):
        arrays_given([sample], model)


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04rubbish"])
def test_a_file_that_is_none_is_refused(tmp_path, model, content) -> None:
    (tmp_path / "a.npz").write_bytes(content)
    with pytest.raises(InputFileError):
        arrays_from(tmp_path / "a.npz", model)


def test_objects_are_not_unpickled(tmp_path, model) -> None:
    np.savez(tmp_path / "a.npz", pixel_values=np.array([{}], dtype=object))
    with pytest.raises(InputFileError):
        arrays_from(tmp_path / "a.npz", model)
