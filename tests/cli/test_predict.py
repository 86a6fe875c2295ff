"""`vmamba-deploy predict` of networks for segmentation and detection."""

import json

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

from tests.inference.dense_folders import NAMES, PALETTE
from tests.toy_dense import write_folder
from vmamba_deploy.cli.app import cli
from vmamba_deploy.inference import Slide, load
from vmamba_deploy.parity.inputs import load_photo
from vmamba_deploy.preprocessing import read_image
from vmamba_deploy.tasks.masks import coco_rle


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    root = tmp_path_factory.mktemp("folders")
    return {
        "segmentation": write_folder(root / "segmentation", "segmentation", outputs=("logits",)),
        "labels": write_folder(root / "labels", "segmentation"),
        "detection": write_folder(root / "detection", "detection"),
    }


@pytest.fixture
def images(tmp_path):
    """Two of one name, in different folders."""
    paths = [tmp_path / "a" / "photo.png", tmp_path / "b" / "photo.png"]
    for path, name in zip(paths, ("cat", "rocket"), strict=True):
        path.parent.mkdir()
        load_photo(name).resize((150, 110)).save(path)
    return paths


def invoke(*words):
    return CliRunner().invoke(cli, ["predict", *map(str, words), "--runtime", "ort"])


def told(*words):
    result = invoke(*words, "--json")
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout.splitlines()[-1])


def test_pixels_get_classes_an_overlay_and_a_label_map(folders, images, tmp_path):
    out = tmp_path / "out"
    said = told(folders["segmentation"], *images, "-o", out, "--top-k", 2)
    assert said["runtime"] == "onnxruntime"
    with load(folders["segmentation"], runtime="ort") as model:
        results = model.segment(images)
    names = [("photo.overlay.png", "photo.labels.png")]
    names += [("photo-2.overlay.png", "photo-2.labels.png")]
    for one, image, result, files in zip(said["predictions"], images, results, names, strict=True):
        assert (one["image"], one["size"], one["exact"]) == (str(image), [110, 150], True)
        assert (one["overlay"], one["labels"]) == tuple(str(out / name) for name in files)
        expected = result.classes()[:2]
        assert [each["name"] for each in one["classes"]] == [each.name for each in expected]
        assert [each["pixels"] for each in one["classes"]] == [each.pixels for each in expected]
        with Image.open(out / files[1]) as opened:
            assert opened.mode == "L"
            np.testing.assert_array_equal(np.asarray(opened), result.labels)
        with Image.open(out / files[0]) as opened:
            half = (read_image(image).astype(int) + np.array(PALETTE)[result.labels]) / 2
            assert np.abs(np.asarray(opened) - half).max() <= 1
    assert len(list(out.iterdir())) == 4


def test_a_file_of_labels_alone_is_said_to_be_less_exact(folders, images):
    (one, _) = told(folders["labels"], *images)["predictions"]
    assert (one["exact"], one["overlay"], one["labels"]) == (False, None, None)


def test_windows_are_those_that_were_asked_for(folders, images, tmp_path):
    arguments = (folders["segmentation"], images[0], "-o", tmp_path / "out")
    told(*arguments, "--window", "48x64", "--stride", "30x40")
    with (
        load(folders["segmentation"], runtime="ort") as model,
        Image.open(tmp_path / "out" / "photo.labels.png") as opened,
    ):
        (slid,) = model.segment(images[:1], slide=Slide((48, 64), (30, 40)))
        np.testing.assert_array_equal(np.asarray(opened), slid.labels)
        (whole,) = model.segment(images[:1])
        assert (whole.labels != slid.labels).any()


def test_things_are_found_and_drawn(folders, images, tmp_path):
    arguments = (folders["detection"], *images, "-o", tmp_path / "out")
    said = told(*arguments, "--score-threshold", 0.5)
    with load(folders["detection"], runtime="ort") as model:
        results = model.detect(images, score_threshold=0.5)
    for one, found in zip(said["predictions"], results, strict=True):
        assert one["exact"] is True
        assert len(one["detections"]) == len(found) == 3
        for each, expected in zip(one["detections"], found, strict=True):
            assert (each["name"], each["label"]) == (expected.name, expected.label)
            assert each["name"] in NAMES
            assert each["score"] == expected.score
            assert each["box"] == list(expected.box)
            assert each["mask"] == coco_rle(expected.mask)
        with Image.open(one["overlay"]) as opened:
            assert opened.size == (150, 110)
    drawn = invoke(folders["detection"], *images)
    assert drawn.exit_code == 0
    assert "Detections (onnxruntime)" in drawn.stdout
    assert "0.0, 0.0, 150.0, 110.0" in drawn.stdout
    assert "building" not in drawn.stdout  # 0.2 is below what is shown
    nothing = invoke(folders["detection"], images[0], "--score-threshold", 1)
    assert "nothing was found" in nothing.stdout


def test_the_table_of_classes(folders, images):
    drawn = invoke(folders["segmentation"], images[0])
    assert drawn.exit_code == 0
    assert "Classes of the pixels (onnxruntime)" in drawn.stdout
    assert any(name in drawn.stdout for name in NAMES)


@pytest.mark.parametrize(
    ("task", "words", "code", "message"),
    [
        ("detection", ["--window", "32"], 2, "windows are for segmentation"),
        ("labels", ["--window", "32"], 2, "export with --outputs labels,logits"),
        ("segmentation", ["--stride", "32"], 2, "--stride is of no use without windows"),
        ("segmentation", ["--window", "32", "--stride", "33"], 2, "leave gaps"),
        ("detection", ["--score-threshold", "2"], 2, "score-threshold"),
        ("detection", ["-o", "README.md"], 2, "README.md"),
    ],
)
def test_what_does_not_fit_the_task_is_refused(folders, images, task, words, code, message):
    result = invoke(folders[task], images[0], *words)
    assert result.exit_code == code, result.output
    assert message in result.output


def test_what_a_classifier_says_is_not_drawn(digits_artifact, images, tmp_path):
    folder = digits_artifact("fp32")
    result = invoke(folder, images[0], "-o", tmp_path / "out")
    assert result.exit_code == 2
    assert "names classes, which are not drawn" in result.output
    assert not (tmp_path / "out").exists()
