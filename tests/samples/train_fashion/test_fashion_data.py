from __future__ import annotations

import gzip
import hashlib
import struct

import numpy as np
import pytest

from samples.train_fashion import fashion_data
from samples.train_fashion.fashion_data import (
    LABELS,
    PREPROCESSING,
    SHA256,
    data_folder,
    labelled_images,
    read_fashion,
    read_idx,
)
from tests.fashion import FOLDER, first_learned, first_unseen
from vmamba_deploy.errors import EnvironmentProblem, InputFileError, IntegrityError

IMAGES = FOLDER / "t10k-first-1000-images-idx3-ubyte.gz"
LABEL_FILE = FOLDER / "t10k-first-1000-labels-idx1-ubyte.gz"


def idx(path, array):
    header = bytes((0, 0, 8, array.ndim)) + struct.pack(f">{array.ndim}I", *array.shape)
    path.write_bytes(gzip.compress(header + array.tobytes()))
    return path


@pytest.fixture
def tiny(tmp_path, monkeypatch):
    """The four files with a handful of images, installed on a machine that knows them."""
    folder = tmp_path / "installed"
    folder.mkdir()
    generator = np.random.default_rng(0)
    for name in SHA256:
        count = 5003 if name.startswith("train") else 4
        shape = (count, 28, 28) if "images" in name else (count,)
        idx(folder / name, generator.integers(0, 10, shape, np.uint8))
    known = {name: hashlib.sha256((folder / name).read_bytes()).hexdigest() for name in SHA256}
    monkeypatch.setattr(fashion_data, "SHA256", known)
    monkeypatch.setattr(fashion_data, "INSTALLED", folder)
    return folder


def fetched_to(folder, monkeypatch, fetch):
    monkeypatch.setattr(fashion_data, "INSTALLED", folder / "usr" / "share" / "absent")
    monkeypatch.setattr(fashion_data, "OWN_FOLDER", folder / "own")
    monkeypatch.setattr(fashion_data, "_FETCHED", folder / "fetched")
    monkeypatch.setattr(fashion_data, "debian_packages", fetch)


def test_what_is_written_is_read(tmp_path):
    array = np.arange(24, dtype=np.uint8).reshape(2, 3, 4)
    assert np.array_equal(read_idx(idx(tmp_path / "a.gz", array)), array)


def test_the_kept_images_are_clothes_of_all_classes():
    unseen, learned = first_unseen(), first_learned()
    assert unseen.images.shape == (1000, 28, 28)
    assert learned.images.shape == (256, 28, 28)
    assert np.bincount(unseen.labels).min() >= 80
    assert LABELS[unseen.labels[0]] == "ankle boot"
    assert unseen.first(2).pixel_values().shape == (2, 3, 32, 32)
    assert PREPROCESSING.resize_pixels == 32


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"no gzip", "gzipped idx file"),
        (gzip.compress(b""), "gzipped idx file"),
        (gzip.compress(bytes((0, 0, 13, 1, 0, 0, 0, 1, 7))), "no idx file of unsigned bytes"),
        (gzip.compress(bytes((0, 0, 8, 1, 0, 0, 0, 9, 7))), "not a whole one"),
        (gzip.compress(bytes((0, 0, 8, 200, 0))), "gzipped idx file"),
    ],
    ids=["no gzip", "empty", "of doubles", "too short", "too many axes"],
)
def test_other_files_are_refused(tmp_path, content, words):
    path = tmp_path / "a.gz"
    path.write_bytes(content)
    with pytest.raises(InputFileError, match=words):
        read_idx(path)


def test_images_and_labels_that_do_not_belong_together():
    with pytest.raises(InputFileError, match="not images and their labels"):
        labelled_images(IMAGES, FOLDER / "train-first-256-labels-idx1-ubyte.gz")
    with pytest.raises(InputFileError, match="not images and their labels"):
        labelled_images(LABEL_FILE, LABEL_FILE)


def test_validation_images_are_the_last_for_training(tiny):
    learned, judged, unseen = (read_fashion(split) for split in fashion_data.SPLITS)
    assert (len(learned), len(judged), len(unseen)) == (3, 5000, 4)
    every = read_idx(tiny / "train-images-idx3-ubyte.gz")
    assert np.array_equal(np.concatenate([learned.images, judged.images]), every)
    assert judged.numbers[0] == 3


def test_a_file_that_is_not_the_known_one_is_refused(tiny):
    path = tiny / "t10k-labels-idx1-ubyte.gz"
    idx(path, np.zeros(4, np.uint8))
    with pytest.raises(IntegrityError, match=r"t10k-labels-idx1-ubyte\.gz has sha256"):
        read_fashion("test")
    read_fashion("train")


def test_files_that_lie_in_the_build_folder_are_taken(tiny, tmp_path, monkeypatch):
    fetched_to(tmp_path, monkeypatch, lambda *_: pytest.fail("nothing is to be fetched"))
    tiny.rename(tmp_path / "own")
    assert data_folder() == tmp_path / "own"


def test_else_the_package_is_fetched(tmp_path, monkeypatch):
    asked = []
    fetched_to(tmp_path, monkeypatch, lambda *request: asked.append(request))
    monkeypatch.setattr(fashion_data, "INSTALLED", fashion_data.Path("/usr/share/absent"))
    assert data_folder() == tmp_path / "fetched" / "usr" / "share" / "absent"
    assert asked == [(["dataset-fashion-mnist"], "bookworm", tmp_path / "fetched")]


def test_without_a_mirror_the_ways_to_the_files_are_told(tmp_path, monkeypatch):
    def offline(*_request):
        raise EnvironmentProblem("apt-get is missing")

    fetched_to(tmp_path, monkeypatch, offline)
    with pytest.raises(EnvironmentProblem, match=r"not on this machine: apt-get is mis") as raised:
        data_folder()
    assert "apt-get install dataset-fashion-mnist" in raised.value.hint
    assert "build/fashion-mnist" in raised.value.hint


def test_the_kept_images_are_those_of_the_package():
    installed = [fashion_data.INSTALLED, fashion_data._FETCHED / "usr/share/datasets/fashion-mnist"]
    if not any(folder.is_dir() for folder in installed):
        pytest.skip("Fashion-MNIST is not on this machine, and tests fetch nothing")
    for split, kept in (("test", first_unseen()), ("train", first_learned())):
        first = read_fashion(split).first(len(kept))
        assert np.array_equal(first.images, kept.images)
        assert np.array_equal(first.labels, kept.labels)
