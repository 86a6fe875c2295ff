from __future__ import annotations

import csv

import numpy as np
import pytest
from PIL import Image
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

from samples.train_digits.digits_data import LABELS, PREPROCESSING, read_digits
from samples.training.images import LabelledImages
from vmamba_deploy.preprocessing import preprocess


@pytest.fixture(scope="module")
def unseen() -> LabelledImages:
    return read_digits("test")


def test_the_split_is_whole_disjoint_and_stratified(unseen):
    learned = read_digits("train")
    assert (len(learned), len(unseen)) == (1347, 450)
    numbers = np.concatenate([learned.numbers, unseen.numbers])
    assert np.array_equal(np.sort(numbers), np.arange(1797))
    assert set(np.bincount(unseen.labels)) <= {43, 44, 45, 46}


def test_the_split_is_always_the_same(unseen):
    assert unseen.numbers[:8].tolist() == [21, 24, 28, 34, 35, 37, 39, 42]
    assert unseen.labels[:8].tolist() == [1, 4, 8, 6, 5, 9, 9, 1]


def test_sixteen_shades_become_the_whole_byte(unseen):
    assert unseen.images.dtype == np.uint8
    every_shade = [0, 16, 32, 48, 64, 80, 96, 112, 128, 143, 159, 175, 191, 207, 223, 239, 255]
    assert np.unique(unseen.images).tolist() == every_shade


def test_pixel_values_are_what_deployed_models_get(unseen):
    few = unseen.first(3)
    pixels = few.pixel_values()
    assert pixels.shape == (3, 3, 32, 32)
    assert pixels.dtype == np.float32
    assert PREPROCESSING.resize_pixels == 32


def test_the_files_give_the_same_pixels_as_the_arrays(unseen, digits_folder):
    files = sorted(digits_folder.glob("*/*.png"))
    assert len(files) == 450
    numbers = unseen.numbers.tolist()
    from_arrays = unseen.pixel_values()
    for file in files:
        position = numbers.index(int(file.stem))
        assert file.parent.name == LABELS[unseen.labels[position]]
        assert np.array_equal(preprocess(file, PREPROCESSING), from_arrays[position])


def test_files_are_small_grey_and_listed(digits_folder):
    with (digits_folder / "labels.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 450
    for row in rows[:20]:
        assert row["path"].startswith(row["label"] + "/")
        with Image.open(digits_folder / row["path"]) as image:
            assert (image.mode, image.size) == ("L", (8, 8))


def test_the_data_is_scikit_learns_and_so_is_the_split():
    bunch = load_digits()
    places = np.arange(len(bunch.target))
    train, test = train_test_split(places, test_size=0.25, stratify=bunch.target, random_state=0)
    for split, chosen in (("train", train), ("test", test)):
        ours = read_digits(split)
        assert np.array_equal(ours.numbers, np.sort(chosen))
        assert np.array_equal(ours.labels, bunch.target[ours.numbers])
        shades = np.floor(bunch.images[ours.numbers] * 255 / 16 + 0.5)
        assert np.array_equal(ours.images, shades)
