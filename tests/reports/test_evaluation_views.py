"""Evaluations of segmenters and detectors, as JSON, as a page and in the terminal."""

from __future__ import annotations

import math
import re
from typing import Any

import jsonschema
import pytest

from vmamba_deploy.evaluation.average_precision import AveragePrecision
from vmamba_deploy.evaluation.judging import Thresholds
from vmamba_deploy.evaluation.report_data import (
    ArtifactInfo,
    DataInfo,
    EvaluationReport,
    RunInfo,
)
from vmamba_deploy.evaluation.scorers import SCORERS
from vmamba_deploy.evaluation.scorers.detection import ClassPrecision, DetectionSummary
from vmamba_deploy.evaluation.scorers.detection import WorstImage as WorstDetection
from vmamba_deploy.evaluation.scorers.segmentation import ClassIou, SegmentationSummary
from vmamba_deploy.evaluation.scorers.segmentation import WorstImage as WorstSegmentation
from vmamba_deploy.evaluation.timing import Histogram, Percentiles, Timing
from vmamba_deploy.reports.evaluation_page import headline, render_evaluation
from vmamba_deploy.reports.evaluation_views import VIEWS, evaluation_document, view_of
from vmamba_deploy.reports.json_file import plain, write_json
from vmamba_deploy.reports.schema import schema_of

NAMES = ("sky", "<b>sea</b>", "gull")
TIMES = Histogram((10.0, 20.0, 30.0), (7, 2), 1)
TIMING = Timing(Percentiles(1, 2, 3, 1), Percentiles(10, 20, 30, 12), None, TIMES)
SEGMENTED = SegmentationSummary(
    mean_iou=0.5432,
    pixel_accuracy=0.8,
    mean_accuracy=0.61,
    pixels=123456,
    classes=(
        ClassIou(0, "sky", 100000, 0.9, 0.95),
        ClassIou(1, "<b>sea</b>", 23456, 0.7, 0.27),
        ClassIou(2, "gull", 0, 0.0, math.nan),
    ),
    worst_images=(
        WorstSegmentation(7, "<b>7</b>.png", 0.25, 0.875, (1, 12345), (2, 12000)),
        WorstSegmentation(8, "8.png", 0.5, 0.75, (0, 9), None),
    ),
    skipped=(("3.png", "it is no image"),),
    timing=TIMING,
)
NUMBERS = AveragePrecision(*(0.5 - 0.03 * place for place in range(12)))
DETECTED = DetectionSummary(
    boxes=NUMBERS,
    masks=NUMBERS,
    objects=77,
    detections=1234,
    classes=(
        ClassPrecision(0, "sky", 70, 0.6, 0.5),
        ClassPrecision(2, "gull", 0, math.nan, math.nan),
    ),
    worst_images=(WorstDetection(4, "<b>4</b>.png", 9, 6, 3, 2, 0.7),),
    skipped=(),
    timing=TIMING,
)


def report(summary: Any, task: str, **changes: Any) -> EvaluationReport[Any]:
    fields = {
        "artifact": ArtifactInfo("artifacts/x", "x", "ab" * 32, "upernet", "fp16", "onnxruntime"),
        "data": DataInfo("/d", "beaches", "label_maps", 9, 9, NAMES, "rule", "cd" * 32),
        "run": RunInfo(9, 2.0, 1, 1, False, 2, 0),
        "thresholds": Thresholds(),
        "against": None,
        "shortfalls": (),
        "created": "2026-11-26T12:00:00+00:00",
    }
    return EvaluationReport(summary=summary, task=task, **fields | changes)


CASES = [(SEGMENTED, "segmentation"), (DETECTED, "detection")]


def text_of(source: str) -> str:
    return " ".join(re.sub("<[^>]*>", " ", source.split("<main>")[1]).split())


@pytest.mark.parametrize(("summary", "task"), CASES)
def test_json_is_what_its_schema_says_and_has_the_figures(summary, task, tmp_path) -> None:
    one = report(summary, task)
    write_json(evaluation_document(one), tmp_path / "evaluation.json")
    content = plain(evaluation_document(one))
    jsonschema.validate(content, schema_of(f"evaluation_{task}"))
    assert (content["task"], content["verdict"]) == (task, "measured")
    assert content["classes"][-1]["name"] == "gull"
    figures = {"segmentation": ("mean_iou", 0.5432), "detection": ("objects", 77)}
    name, value = figures[task]
    assert content[name] == value


def test_figures_that_are_not_known_are_null() -> None:
    content = plain(evaluation_document(report(DETECTED, "detection")))
    assert content["classes"][1]["box_ap"] is None
    assert set(content["boxes"]) == set(vars(NUMBERS))


def test_a_page_of_label_maps() -> None:
    source = render_evaluation(report(SEGMENTED, "segmentation"))
    text = text_of(source)
    for part in (
        "mIoU 54.32%; 80.00% of 123,456 pixels are right",
        "over 3 classes",
        "gull 2 0.00% \N{EN DASH} 0",
        "it is no image",
        "Thresholds none",
        "x on beaches",
        "mean IoU 25.00% right pixels 87.50% missed most: &lt;b&gt;sea&lt;/b&gt; , 12,345 pixels "
        "given wrongly: gull , 12,000 pixels",
        "83.3/s onnxruntime, batches of 1",  # 12 ms
        "Not drawn: 1 image above 30 ms",
    ):
        assert part in text
    assert "&lt;b&gt;sea" in source
    assert text.index("gull") < text.index("sky 0")


def test_a_page_of_detections() -> None:
    text = text_of(render_evaluation(report(DETECTED, "detection")))
    for part in (
        "box AP 50.00%, mask AP 50.00% over 77 objects",
        "1,234 detections for 77 objects",
        "AP 0.50 to 0.95 small 100 41.00% 41.00%",
        "AR 0.50 to 0.95 all 1 32.00%",
        "gull 2 \N{EN DASH} \N{EN DASH} 0",
        "F1 70.00% found 6 of 9 missed 3 , false 2",
        "boxes that score 0.5 or more, matched at IoU 0.5",
    ):
        assert part in text
    none = DetectionSummary(NUMBERS, None, 77, 5, (), (), (), None)
    text = text_of(render_evaluation(report(none, "detection")))
    assert "the data have no masks" in text


def test_thresholds_are_told_and_missed_ones_are_the_headline() -> None:
    thresholds = Thresholds(min_miou_percent=60.0)
    missed = ("mIoU is 54.32%, asked for is 60%",)
    one = report(SEGMENTED, "segmentation", thresholds=thresholds, shortfalls=missed)
    assert (one.verdict, headline(one)) == ("failed", missed[0])
    assert "mIoU at least 60.0%" in text_of(render_evaluation(one))
    assert (
        report(SEGMENTED, "segmentation", thresholds=Thresholds(min_miou_percent=1)).verdict
        == "passed"
    )
    thresholds = Thresholds(min_box_ap_percent=10.0, min_mask_ap_percent=20.0)
    texts = (
        view_of(one).thresholds(one),
        VIEWS[DetectionSummary].thresholds(report(DETECTED, "", thresholds=thresholds)),
    )
    assert texts[1] == ["box AP at least 10.0%", "mask AP at least 20.0%"]


@pytest.mark.parametrize(("summary", "task"), CASES)
def test_the_terminals_tables_have_a_cell_for_each_column(summary, task) -> None:
    tables = view_of(report(summary, task)).tables(report(summary, task))
    assert [one.title for one in tables][1] == "Worst classes"
    for one in tables:
        assert one.rows
        assert {len(row) for row in one.rows} == {len(one.columns)}


def test_every_scorer_has_a_view() -> None:
    assert len(VIEWS) == len(SCORERS)
