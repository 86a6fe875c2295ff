"""Tables by kind of figures: every answer has its columns, on the page and in the terminal."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

from vmamba_deploy.cli.summary import parity_table
from vmamba_deploy.parity.kinds.detection import DetectionMetrics
from vmamba_deploy.parity.kinds.label_map import LabelMetrics
from vmamba_deploy.parity.metrics import Metrics
from vmamba_deploy.parity.results import InputResult, OutputResult, RunResult
from vmamba_deploy.precisions import PRECISIONS
from vmamba_deploy.reports.columns import (
    COLUMNS,
    EXPLANATIONS,
    digits,
    figure_kinds,
    furthest_of,
    percent,
)
from vmamba_deploy.reports.html_file import render_html
from vmamba_deploy.reports.pictures import Part, Picture

LIMITS = PRECISIONS["fp16"].thresholds
LABELS = LabelMetrics(
    images=3, non_finite=0, pixels=1000, differing=9, agreement=0.991, decided=800,
    decided_agreement=1.0, mean_iou=0.97,
)  # fmt: skip
DETECTIONS = DetectionMetrics(
    images=3, non_finite=0, malformed=0, detections=120, candidates=119, decided=100, found=1.0,
    found_of_all=0.958, known=0.99, strange=0.0, count_difference=1.0, box_pixels=0.25,
    score_error=0.004, decided_masks=90, mask_iou=0.93, inexact=1,
)  # fmt: skip
MAP = Metrics(3, 0, 1e-3, 1e-4, 2e-3, 3e-3, 4e-6, 1 - 5e-7)


def run(*answers: OutputResult, status="passed") -> RunResult:
    first = answers[0]
    sets = (InputResult("photos-b1", 1, True, "", first.metrics, 0.2, output=first.name),)
    return RunResult(
        "tensorrt", status, "", LIMITS, sets, first.metrics, first.name, tuple(answers)
    )


SEGMENTED = run(OutputResult("labels", "label_map", LABELS), OutputResult("logits", "map", MAP))
DETECTED = run(OutputResult("detection", "detection", DETECTIONS))


def text_of(source: str) -> str:
    return " ".join(re.sub("<[^>]*>", " ", source.split("<main>")[1]).split())


def test_every_kind_of_figures_has_columns_and_words() -> None:
    from vmamba_deploy.parity.kinds import KINDS

    assert set(COLUMNS) == set(EXPLANATIONS)
    assert len(COLUMNS) == len(KINDS)
    for kind, columns in COLUMNS.items():
        shown = {column.figure for column in columns}
        assert set(kind.limited) - {"malformed"} <= shown


def test_a_page_of_labels_has_shares_limits_and_the_logits_apart(make_report) -> None:
    text = text_of(render_html(make_report(SEGMENTED, task="segmentation")))
    limits = LIMITS.labels
    assert limits is not None
    for part in (
        "Same label Decided pixels Mean IoU",
        f"99.1% \N{GREATER-THAN OR EQUAL TO} {percent(limits.agreement)}",
        "9 of 1,000 pixels differ",
        "of 800 decided",
        "NMSE Cosine",
        "2 outputs; labels has the largest error",
        "A pixel is decided when",
    ):
        assert part in text
    assert "one colour" not in text


def test_a_page_of_detections_has_what_was_decided(make_report) -> None:
    text = text_of(render_html(make_report(DETECTED, task="detection")))
    for part in ("of 100 decided", "95.8%", "Box, pixels", "0.25", "of 90 decided masks"):
        assert part in text
    assert "A detection is decided when" in text


def test_a_page_shows_its_pictures(make_report) -> None:
    part = Part("differing pixels in red", "data:image/jpeg;base64,AAAA")
    source = render_html(make_report(SEGMENTED), [Picture("<b>cat</b>", (part,))])
    assert '<img src="data:image/jpeg;base64,AAAA"' in source
    assert "&lt;b&gt;cat&lt;/b&gt;" in source
    assert "On a photograph" not in render_html(make_report(SEGMENTED))


@pytest.mark.parametrize("record", [SEGMENTED, DETECTED])
def test_the_terminal_has_the_short_columns(record: RunResult) -> None:
    skipped = RunResult("tensorrt_rtx", "skipped", "no GPU", LIMITS)
    drawn = parity_table((record, skipped), "PyTorch fp32")
    titles = [str(column.header) for column in drawn.columns]
    wanted = [one.title.lower() for one in COLUMNS[type(record.metrics)] if one.short]
    assert titles == ["runtime", "status", *wanted, "reason"]
    assert drawn.row_count == 2


def test_of_several_answers_of_a_kind_the_furthest_is_shown() -> None:
    worse = replace(MAP, nmse=1e-2)
    record = run(OutputResult("feature0", "map", MAP), OutputResult("feature1", "map", worse))
    assert figure_kinds([record]) == [Metrics]
    assert furthest_of(record, Metrics) == ("feature1", worse)
    assert furthest_of(record, LabelMetrics) is None


def test_a_share_of_nothing_is_no_share() -> None:
    found, *_ = COLUMNS[DetectionMetrics]
    assert found.text(DETECTIONS) == "100%"
    assert found.text(replace(DETECTIONS, decided=0)) == "\N{EN DASH}"


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.001234, "0.00123"), (0.5, "0.500"), (1.0, "1.00"), (12.345, "12.3"), (99.96, "100"),
        (100.4, "100"), (12345.6, "12346"),
    ],
)  # fmt: skip
def test_times_and_ratios_have_three_digits(value: float, text: str) -> None:
    assert digits(value) == text
