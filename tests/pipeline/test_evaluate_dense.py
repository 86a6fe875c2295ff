"""Segmenters and detectors are evaluated from the command line, on data that the tests make."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

from tests.pipeline.evaluations import done, lasting
from tests.toy_dense import write_folder
from vmamba_deploy.cli import cli
from vmamba_deploy.errors import ExitCode
from vmamba_deploy.inference import load
from vmamba_deploy.tasks.masks import coco_rle

SIZES = ((60, 80), (90, 50), (48, 48), (70, 120))


def evaluate(artifact: Path, data: Path, output: Path, *more: object) -> Any:
    options = ("--runtime", "ort", artifact, "--data", data, "--output", output)
    return CliRunner().invoke(cli, ["evaluate", *map(str, (*options, *more))])


def figures(output: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((output / "evaluation.json").read_text())
    return content


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Pictures of large patches of colours."""
    folder = tmp_path_factory.mktemp("data") / "images"
    folder.mkdir()
    rng = np.random.default_rng(20)
    for number, (height, width) in enumerate(SIZES):
        patches = rng.integers(0, 256, (3, 4, 3), dtype=np.uint8)
        Image.fromarray(patches).resize((width, height), Image.Resampling.NEAREST).save(
            folder / f"{number}.png"
        )
    return folder


@pytest.fixture(scope="module")
def segmenter(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("segmenter") / "folder"
    return write_folder(folder, "segmentation", outputs=("logits",))


@pytest.fixture(scope="module")
def annotated(segmenter: Path, pictures: Path) -> tuple[Path, float]:
    """Truths beside the pictures: the model's own labels, some of them changed; and their mIoU."""
    folder = pictures.with_name("annotations")
    folder.mkdir()
    rng = np.random.default_rng(21)
    pairs = []
    with load(segmenter, runtime="ort") as model:
        for path in sorted(pictures.iterdir()):
            (answer,) = model.segment([path])
            labels = np.array(answer.labels)
            truth = np.where(
                rng.random(labels.shape) < 0.2, rng.integers(0, 7, labels.shape), labels
            )
            truth[:5, :5] = 255
            Image.fromarray(truth.astype(np.uint8)).save(folder / path.name)
            counted = truth != 255
            pairs.append(np.stack([truth[counted], labels[counted]]))
    true, given = np.concatenate(pairs, axis=1)
    ious = [
        ((true == name) & (given == name)).sum() / ((true == name) | (given == name)).sum()
        for name in range(7)
        if ((true == name) | (given == name)).any()
    ]
    return pictures.parent, float(np.mean(ious))


def test_a_segmenter_gets_the_miou_of_all_its_pixels(segmenter, annotated, tmp_path) -> None:
    data, expected = annotated
    ended = evaluate(segmenter, data, tmp_path / "out", "--task", "segmentation", "--json")
    assert ended.exit_code == ExitCode.OK, ended.output
    found = figures(tmp_path / "out")
    assert found["mean_iou"] == pytest.approx(expected)
    assert 0.3 < expected < 0.9
    assert (found["task"], found["verdict"], found["data"]["kind"]) == (
        *("segmentation", "measured"),
        "label_maps",
    )
    assert done(tmp_path / "out") == list(range(len(SIZES)))
    last = json.loads(ended.stdout.splitlines()[-1])
    assert last["evaluation"]["mean_iou"] == found["mean_iou"]
    assert "mIoU" in (tmp_path / "out" / "evaluation.html").read_text()


def test_a_run_that_was_cut_goes_on_and_gives_the_same(segmenter, annotated, tmp_path) -> None:
    data, _ = annotated
    whole, cut = tmp_path / "whole", tmp_path / "cut"
    assert evaluate(segmenter, data, whole).exit_code == ExitCode.OK
    cut.mkdir()
    lines = (whole / "journal.jsonl").read_bytes().splitlines(keepends=True)
    (cut / "journal.jsonl").write_bytes(b"".join(lines[:3]) + lines[3][:9])
    assert evaluate(segmenter, data, cut).exit_code == ExitCode.OK
    assert figures(cut)["run"]["resumed"] == 2
    assert lasting(cut) == lasting(whole)


def test_missed_thresholds_and_what_does_not_fit_the_task(segmenter, annotated, tmp_path) -> None:
    data, expected = annotated
    ended = evaluate(segmenter, data, tmp_path / "bar", "--min-miou", expected * 100 + 1)
    assert ended.exit_code == ExitCode.PARITY_FAILED
    assert figures(tmp_path / "bar")["verdict"] == "failed"
    for options, words in (
        (("--task", "detection"), "is for the task segmentation, not detection"),
        (("--min-top1", 50), "--min-top1: the task segmentation has no such figure"),
        (("--against", "pytorch"), "vmamba-deploy compare"),
        (("--split", "none"), "no folder"),
    ):
        ended = evaluate(segmenter, data, tmp_path / "no", *options)
        assert ended.exit_code in {ExitCode.USAGE, ExitCode.BAD_INPUT}
        assert words in " ".join(ended.stderr.split())


def objects_of(detector: Path, pictures: Path) -> dict[str, Any]:
    """A COCO file in which the model is right, but for the first picture's objects."""
    images, annotations = [], []
    with load(detector, runtime="ort") as model:
        for number, path in enumerate(sorted(pictures.iterdir())):
            (answer,) = model.detect([path])
            height, width = SIZES[number]
            images.append({"id": number, "file_name": path.name, "height": height, "width": width})
            for one in answer:
                left, top, right, bottom = (float(side) for side in one.box)
                annotations.append(
                    {
                        "id": len(annotations) + 1,
                        "image_id": number,
                        "category_id": 10 + (one.label + (number == 0)) % 7,
                        "bbox": [left, top, right - left, bottom - top],
                        "area": float(one.mask.sum()),
                        "iscrowd": 0,
                        "segmentation": coco_rle(one.mask),
                    }
                )
    categories = [{"id": 10 + label, "name": f"c{label}"} for label in range(7)]
    return {"images": images, "categories": categories, "annotations": annotations}


def test_a_detector_gets_its_average_precision(pictures, tmp_path) -> None:
    detector = write_folder(tmp_path / "detector", "detection")
    truth = tmp_path / "instances.json"
    truth.write_text(json.dumps(objects_of(detector, pictures)))
    output = tmp_path / "out"
    ended = evaluate(detector, truth, output, "--images", pictures, "--min-box-ap", 99)
    assert ended.exit_code == ExitCode.PARITY_FAILED, ended.output
    found = figures(output)
    # The pictures but the first are right: of five classes, each has three of its four objects.
    assert 0.2 < found["boxes"]["ap"] < 0.99
    assert found["masks"]["ap"] == pytest.approx(found["boxes"]["ap"])
    assert (found["objects"], found["detections"]) == (20, 20)
    assert "Average precision" in ended.output
    ended = evaluate(detector, truth, output, "--images", pictures, "--min-box-ap", 10)
    assert (ended.exit_code, figures(output)["run"]["resumed"]) == (ExitCode.OK, len(SIZES))

    content = json.loads(truth.read_text())
    content["annotations"] = [one for one in content["annotations"] if one["image_id"]]
    content["images"] = content["images"][1:]
    truth.write_text(json.dumps(content))
    right = tmp_path / "right"
    ended = evaluate(detector, truth, right, "--images", pictures, "--min-mask-ap", 99)
    assert ended.exit_code == ExitCode.OK, ended.output
    assert figures(right)["boxes"]["ap"] == pytest.approx(1)
