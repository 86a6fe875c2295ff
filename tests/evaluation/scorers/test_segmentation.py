"""A segmenter's results and figures, against a count over all pixels in float64."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.evaluation.scorers.dense import NAMES, as_read_again, results_of, save_image
from vmamba_deploy.errors import InputFileError
from vmamba_deploy.evaluation.judging import Thresholds
from vmamba_deploy.evaluation.scorer import Source
from vmamba_deploy.evaluation.scorers import scorer_of
from vmamba_deploy.evaluation.scorers.segmentation import SegmentationScorer

SCORER = SegmentationScorer()
SIZES = ((20, 30), (31, 9), (16, 16), (7, 40), (12, 12))


@pytest.fixture
def scene(tmp_path: Path) -> Source:
    """Images whose red says the truth, and whose green the model's answer."""
    rng = np.random.default_rng()
    for number, size in enumerate(SIZES):
        truth = rng.integers(0, 3, size)  # no gull in the truth
        answer = np.where(rng.random(size) < 0.7, truth, rng.integers(0, 4, size))
        pixels = np.stack([truth, answer, np.zeros(size)], axis=-1)
        save_image(tmp_path / "images" / f"{number}.png", pixels)
        save_image(tmp_path / "annotations" / f"{number}.png", np.where(truth == 2, 255, truth))
    return Source(tmp_path)


def green(image: np.ndarray) -> np.ndarray:
    return image[..., 1].astype(np.int32)


def test_figures_of_a_data_set_against_all_its_pixels(scene, monkeypatch) -> None:
    data, results, model = results_of(monkeypatch, "segmentation", scene, green)
    assert model.given == [1, 2, 2, 1]  # the first is the warming up
    summary = SCORER.summarise(data, reversed(as_read_again("segmentation", results)), top_k=4)
    pairs = []
    for sample in data.samples:
        pixels = np.asarray(Image.open(sample.path)).reshape(-1, 3).astype(float)
        pairs.append(pixels[pixels[:, 0] != 2, :2])  # sand does not count
    true, given = np.concatenate(pairs).T
    ious = [
        ((true == name) & (given == name)).sum() / ((true == name) | (given == name)).sum()
        for name in range(4)
    ]
    assert summary.mean_iou == pytest.approx(np.mean(ious))
    assert summary.pixel_accuracy == pytest.approx((true == given).mean())
    assert summary.mean_accuracy == pytest.approx(
        np.mean([(given[true == name] == name).mean() for name in (0, 1)])
    )
    assert summary.pixels == len(true)
    assert [one.name for one in summary.classes] == list(NAMES)
    assert [one.iou for one in summary.classes] == pytest.approx(ious)
    assert summary.timing is not None
    assert summary.timing.reference is None


def test_the_figures_of_each_image_and_the_worst_of_them(scene, monkeypatch) -> None:
    data, results, _ = results_of(monkeypatch, "segmentation", scene, green)
    table = SCORER.table(data, reversed(as_read_again("segmentation", results)))
    rows = [dict(zip(table.columns, row, strict=True)) for row in table.rows]
    assert [row["file"] for row in rows] == [sample.name for sample in data.samples]
    missed = {}
    for row, sample in zip(rows, data.samples, strict=True):
        pixels = np.asarray(Image.open(sample.path)).reshape(-1, 3).astype(int)
        true, given = pixels[pixels[:, 0] != 2, :2].T  # sand does not count
        ious = [
            ((true == name) & (given == name)).sum() / ((true == name) | (given == name)).sum()
            for name in np.union1d(true, given)
        ]
        assert row["mean_iou"] == pytest.approx(np.mean(ious))
        assert row["pixel_accuracy"] == pytest.approx((true == given).mean())
        assert (row["pixels"], row["error"]) == (len(true), None)
        missed[sample.name] = max(((true == name) & (given != name)).sum() for name in (0, 1))
    worst = SCORER.summarise(data, results, top_k=4).worst_images
    expected = sorted(rows, key=lambda row: row["mean_iou"])
    assert [one.name for one in worst] == [row["file"] for row in expected]
    assert [one.missed[1] for one in worst] == [missed[one.name] for one in worst]


def test_images_that_are_right_are_not_among_the_worst(scene, monkeypatch) -> None:
    answer = lambda image: image[..., 0].astype(np.int32)  # noqa: E731
    data, results, _ = results_of(monkeypatch, "segmentation", scene, answer)
    assert SCORER.summarise(data, results, top_k=4).worst_images == ()


def test_a_shifted_answer_has_a_lower_iou(scene, monkeypatch) -> None:
    figures = []
    for answer in (green, lambda image: np.roll(green(image), 1, axis=1)):
        data, results, _ = results_of(monkeypatch, "segmentation", scene, answer)
        figures.append(SCORER.summarise(data, results, top_k=4).mean_iou)
    assert figures[1] < 0.8 * figures[0]


def test_an_unreadable_file_ends_the_run_or_is_left_out(scene, monkeypatch) -> None:
    (scene.data / "annotations" / "3.png").write_text("no image")
    with pytest.raises(InputFileError, match=r"annotations/3\.png"):
        results_of(monkeypatch, "segmentation", scene, green)
    data, results, _ = results_of(monkeypatch, "segmentation", scene, green, skip_unreadable=True)
    summary = SCORER.summarise(data, as_read_again("segmentation", results), top_k=4)
    ((name, reason),) = summary.skipped
    assert (name, "3.png" in reason) == ("3.png", True)
    rows = list(SCORER.table(data, results).rows)
    assert rows[3] == ("3.png", None, None, None, reason)


def test_images_of_which_none_can_be_read_have_no_figure(scene, monkeypatch) -> None:
    for number in range(len(SIZES)):
        (scene.data / "images" / f"{number}.png").write_text("no image")
    data, results, model = results_of(
        monkeypatch, "segmentation", scene, green, skip_unreadable=True
    )
    summary = SCORER.summarise(data, results, top_k=4)
    assert np.isnan(summary.mean_iou)
    assert (summary.classes, summary.timing, model.given) == ((), None, [1])
    assert SCORER.shortfalls(summary, Thresholds(min_miou_percent=1.0))


def test_thresholds_and_progress(scene, monkeypatch) -> None:
    data, results, _ = results_of(monkeypatch, "segmentation", scene, green)
    summary = SCORER.summarise(data, results, top_k=4)
    below, above = summary.mean_iou * 100 - 0.1, summary.mean_iou * 100 + 0.1
    assert SCORER.shortfalls(summary, Thresholds(min_miou_percent=below)) == []
    (text,) = SCORER.shortfalls(summary, Thresholds(min_miou_percent=above))
    assert text.startswith("mIoU is")
    tally = SCORER.tally(data)
    assert tally.text() == "0 of 5 images"
    for result in results:
        tally.add(result)
    assert tally.text().startswith("5 of 5 images, mIoU ")
    tally.add(replace(results[0], error="gone"))
    assert tally.text().startswith("5 of 5 images")


def test_the_journal_takes_nothing_else() -> None:
    with pytest.raises(ValueError, match="counts"):
        scorer_of("segmentation").result.from_json({"index": 0, "counts": [[1, 2]]})
