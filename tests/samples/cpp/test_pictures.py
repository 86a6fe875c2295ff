"""The programs segment and detect on artefact folders give what Python gives."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image

from tests.samples.cpp.programs import Program, program
from tests.toy_dense import DETECTION_FIT, SEGMENTATION_FIT, write_folder
from vmamba_deploy.inference import load
from vmamba_deploy.parity.inputs import load_photo


@pytest.fixture(scope="module")
def segment(programs: Path) -> Program:
    return program(programs / "segment")


@pytest.fixture(scope="module")
def detect(programs: Path) -> Program:
    return program(programs / "detect")


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    folder = tmp_path_factory.mktemp("images")
    sizes = {"cat": (150, 110), "rocket": (60, 170), "coffee": (300, 200)}
    for name, size in sizes.items():
        load_photo(name).resize(size).save(folder / f"{name}.png")
    return [folder / f"{name}.png" for name in sizes]


def read_grey(path: Path) -> npt.NDArray[np.uint8]:
    with Image.open(path) as opened:
        return np.asarray(opened)


@pytest.mark.parametrize("fixed", [False, True])
@pytest.mark.parametrize("outputs", [("logits",), ()], ids=["logits", "labels"])
def test_the_same_label_maps(
    segment: Program, images: list[Path], tmp_path: Path, outputs: tuple[str, ...], fixed: bool
) -> None:
    spec = replace(SEGMENTATION_FIT, fixed=fixed)
    folder = write_folder(tmp_path / "toy", "segmentation", spec, outputs)
    (tmp_path / "out").mkdir()
    done = segment(folder, *images, "--runtime", "ort", "--output", tmp_path / "out")
    assert done.code == 0, done.err
    with load(folder, runtime="ort") as model:
        results = model.segment(images)
    lines = iter(done.out.splitlines())
    for image, result in zip(images, results, strict=True):
        found = read_grey(tmp_path / "out" / f"{image.stem}.labels.pgm")
        assert found.shape == result.labels.shape
        # Sums in another order: a pixel in ten thousand may lie between two classes.
        assert (found != result.labels).mean() <= 1e-4
        assert next(lines) == str(image) + ("" if result.exact else " (nearest)")
        for one in result.classes():
            share, name = next(lines).split()
            assert name == one.name
            assert abs(float(share[:-1]) - 100 * one.share) <= 0.02


def test_a_single_logit_says_no_or_yes(
    segment: Program, images: list[Path], tmp_path: Path
) -> None:
    folder = write_folder(tmp_path / "toy", "segmentation", outputs=("logits",), logits=1)
    (tmp_path / "out").mkdir()
    done = segment(folder, *images, "--runtime", "ort", "--output", tmp_path / "out")
    assert done.code == 0, done.err
    with load(folder, runtime="ort") as model:
        results = model.segment(images)
    assert {one.label for result in results for one in result.classes()} == {0, 1}
    for image, result in zip(images, results, strict=True):
        found = read_grey(tmp_path / "out" / f"{image.stem}.labels.pgm")
        assert (found != result.labels).mean() <= 1e-4


@pytest.mark.parametrize("fixed", [False, True])
def test_the_same_boxes_scores_and_masks(
    detect: Program, images: list[Path], tmp_path: Path, fixed: bool
) -> None:
    folder = write_folder(tmp_path / "toy", "detection", replace(DETECTION_FIT, fixed=fixed))
    (tmp_path / "out").mkdir()
    arguments = ("--runtime", "ort", "--percent", 50, "--output", tmp_path / "out")
    done = detect(folder, *images, *arguments)
    assert done.code == 0, done.err
    with load(folder, runtime="ort") as model:
        results = model.detect(images, score_threshold=0.5)
    lines = iter(done.out.splitlines())
    for image, found in zip(images, results, strict=True):
        assert next(lines) == str(image)
        numbers = np.zeros(found[0].size, np.uint8)
        for one in found:
            score, name, *box = next(lines).split()
            assert name == one.name
            assert abs(float(score) - one.score) <= 1e-4
            np.testing.assert_allclose([float(side) for side in box], one.box, atol=0.006)
        for number in range(len(found), 0, -1):
            numbers[found[number - 1].mask] = number
        assert len(found) == 3
        painted = read_grey(tmp_path / "out" / f"{image.stem}.masks.pgm")
        np.testing.assert_array_equal(painted, numbers)
    assert next(lines, None) is None


def test_what_does_not_fit_is_said(
    segment: Program, detect: Program, images: list[Path], tmp_path: Path
) -> None:
    folder = write_folder(tmp_path / "toy", "detection")
    refused = segment(folder, images[0])
    assert (refused.code, refused.error) == (
        2,
        f"{folder} is not for segmentation: its task is detection",
    )
    assert detect(folder).code == 2
    twice = detect(folder, images[0], images[0], "--output", tmp_path)
    assert (twice.code, twice.error) == (2, "two images are called cat")
    absent = detect(folder, tmp_path / "absent.png", "--runtime", "ort")
    assert absent.code == 3
