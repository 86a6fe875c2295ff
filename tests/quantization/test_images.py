"""The images that a network is calibrated on: which are taken, and what becomes of each."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from importlib.resources import files
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.quantization.linear_chain import SIDE, chain
from vmamba_deploy.errors import InputFileError, UsageError
from vmamba_deploy.exporting.onnx_model import OnnxModel
from vmamba_deploy.preprocessing import IMAGENET_PREPROCESSING
from vmamba_deploy.quantization.images import MAX_IMAGES, calibration_images

PHOTOS = ("cat", "coffee", "astronaut", "rocket", "retina", "galaxies")
MEAN, STD = np.array([0.485, 0.456, 0.406]), np.array([0.229, 0.224, 0.225])


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> OnnxModel:
    path = tmp_path_factory.mktemp("chain") / "model.onnx"
    return chain(np.random.default_rng()).write(path)


def one_colour(path: Path, colour: tuple[int, int, int]) -> None:
    """A picture that no resize and no crop changes."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (11, 9), colour).save(path)


def test_images_at_any_depth_become_the_networks_input(tmp_path: Path, model: OnnxModel) -> None:
    colours = {"b.png": (255, 0, 0), "deep/er/a.png": (1, 200, 30), "deep/c.BMP": (9, 9, 9)}
    for name, colour in colours.items():
        one_colour(tmp_path / name, colour)
    (tmp_path / "labels.csv").write_text("no image")
    images = calibration_images(tmp_path, model, IMAGENET_PREPROCESSING)
    sums = {
        name: hashlib.sha256((tmp_path / name).read_bytes()).hexdigest() for name in images.files
    }
    assert images.files == sums
    assert set(images.files) == set(colours)
    assert len(images) == 3
    for name, feed in zip(images.files, images.feeds(), strict=True):
        wanted = (np.array(colours[name]) / 255 - MEAN) / STD
        assert feed.keys() == {"pixel_values"}
        assert feed["pixel_values"].dtype == np.float32
        assert feed["pixel_values"].shape == (1, 3, SIDE, SIDE)
        spread = feed["pixel_values"] - wanted[None, :, None, None]
        np.testing.assert_allclose(spread, 0, atol=1e-5)


def test_of_many_images_some_are_taken_from_all_over(tmp_path: Path, model: OnnxModel) -> None:
    names = [f"{place:03d}.png" for place in range(2 * MAX_IMAGES + 10)]
    for name in names:
        (tmp_path / name).write_bytes(name.encode())  # none is decoded before it is run
    chosen = list(calibration_images(tmp_path, model, IMAGENET_PREPROCESSING).files)
    assert len(chosen) == len(set(chosen)) == MAX_IMAGES == 256
    places = [names.index(name) for name in chosen]
    assert places[0] == 0
    assert places[-1] >= len(names) - 3
    assert set(np.diff(places)) <= {2, 3}


@pytest.mark.parametrize("count", [1, MAX_IMAGES - 1, MAX_IMAGES])
def test_as_many_as_may_be_are_all_taken(tmp_path: Path, model: OnnxModel, count: int) -> None:
    for place in range(count):
        (tmp_path / f"{place}.png").touch()
    assert len(calibration_images(tmp_path, model, IMAGENET_PREPROCESSING)) == count


def test_the_quarters_of_our_photographs_are_whole_photographs(model: OnnxModel) -> None:
    images = calibration_images(None, model, IMAGENET_PREPROCESSING)
    assert list(images.files) == [f"{name}.jpg" for name in PHOTOS]
    assert len(images) == 4 * len(PHOTOS)
    for place, name in enumerate(PHOTOS):
        path = files("vmamba_deploy.parity") / "photos" / f"{name}.jpg"
        content = path.read_bytes()
        assert images.files[f"{name}.jpg"] == hashlib.sha256(content).hexdigest()
        one, two, three, four = images.sources[4 * place : 4 * place + 4]
        whole = np.vstack([np.hstack([one, two]), np.hstack([three, four])])
        with Image.open(str(path)) as photo:
            np.testing.assert_array_equal(whole, np.asarray(photo.convert("RGB")))


def test_a_network_that_normalises_is_given_bytes(digits_artifact) -> None:
    model = OnnxModel.read(digits_artifact(preprocess=True, engine=False) / "model.onnx")
    assert model.takes_bytes()
    grey = replace(IMAGENET_PREPROCESSING, mean=(0.5,) * 3, std=(0.5,) * 3)
    feed = next(iter(calibration_images(None, model, grey).feeds()))
    assert feed["pixel_values"].dtype == np.uint8
    assert feed["pixel_values"].shape == (1, 32, 32, 3)
    assert feed["pixel_values"].max() > 1


def test_a_detector_is_told_the_size_that_a_picture_was_made(
    dense_artifact, tmp_path: Path
) -> None:
    model = OnnxModel.read(dense_artifact("det_mask_s1") / "model.onnx")
    prepared = replace(IMAGENET_PREPROCESSING, fit=(64, 64), interpolation="opencv_bilinear")
    one_colour(tmp_path / "a.png", (1, 2, 3))  # 11 wide, 9 high
    feed = next(iter(calibration_images(tmp_path, model, prepared).feeds()))
    height, width = feed["sizes"][0]
    assert (width, height) == (64, round(64 * 9 / 11))


def test_what_does_not_say_how_images_are_prepared_is_refused(model: OnnxModel) -> None:
    with pytest.raises(UsageError, match="cannot be calibrated") as told:
        calibration_images(None, model, None)
    assert "--calibrate FILE.npz" in told.value.hint


def test_a_folder_that_is_none_is_refused(tmp_path: Path, model: OnnxModel) -> None:
    with pytest.raises(InputFileError, match="there is no folder"):
        calibration_images(tmp_path / "none", model, IMAGENET_PREPROCESSING)
    (tmp_path / "notes.txt").touch()
    with pytest.raises(InputFileError, match="has no image in it") as told:
        calibration_images(tmp_path, model, IMAGENET_PREPROCESSING)
    assert ".png" in told.value.hint


def test_an_image_that_is_none_is_refused_when_its_turn_comes(
    tmp_path: Path, model: OnnxModel
) -> None:
    one_colour(tmp_path / "a.png", (0, 0, 0))
    (tmp_path / "b.png").write_bytes(b"rubbish")
    feeds = calibration_images(tmp_path, model, IMAGENET_PREPROCESSING).feeds()
    next(feeds)
    with pytest.raises(InputFileError, match=r"b\.png"):
        next(feeds)


def test_a_file_of_larger_batches_alone_is_refused(model: OnnxModel) -> None:
    first, *others = model.inputs
    from msgspec.structs import replace as changed

    pair = replace(model, inputs=(changed(first, shape=(2, *first.shape[1:])), *others))
    with pytest.raises(UsageError, match="batches of 2 alone"):
        calibration_images(None, pair, IMAGENET_PREPROCESSING)
