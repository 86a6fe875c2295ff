"""What of an accuracy is counted, and how it is told; tests/accuracy measures."""

from __future__ import annotations

from dataclasses import asdict

import numpy as np
import pytest

from benchmarks.accuracy import Outcome, judged
from benchmarks.report.accuracy import values
from benchmarks.report.templates import rendered
from benchmarks.texts import accuracy_text
from samples.train_digits.digits_data import read_digits


@pytest.fixture(scope="module")
def ten():
    return read_digits("test").first(10)


def logits(answers):
    return np.eye(10, dtype=np.float32)[np.asarray(answers)]


def report(images, rows):
    reference = Outcome("pytorch", "fp32", images=images, correct=images - 1, agreeing=images)
    return {
        "weights_bytes": 1_234_567,
        "machine": "A machine.",
        "calibration_images": 256,
        "reference": asdict(reference),
        "rows": [asdict(row) for row in rows],
    }


def test_what_is_counted(ten):
    right = ten.labels
    expected, answers = right.copy(), right.copy()
    expected[0] = (right[0] + 1) % 10  # wrong there, right here: gained
    answers[1:3] = (right[1:3] + 1) % 10  # right there, wrong here: lost
    expected[3], answers[3] = (right[3] + 1) % 10, (right[3] + 2) % 10  # wrong in both
    found = judged("r", "p", ten, logits(answers) * 3, logits(expected) * 3)
    assert (found.correct, found.agreeing, found.lost, found.gained) == (7, 6, 2, 1)
    assert (found.accuracy, found.agreement, found.largest_difference) == (0.7, 0.6, 3.0)
    assert found.images == 10


def test_a_row_has_what_is_lost_and_the_interval():
    row = Outcome("ort", "int8", 10_000, None, 9_215, 9_900, 60, 40, 0.25)
    text = accuracy_text(report(10_000, [row]) | {"reference": {"correct": 9_235}})
    line = "| int8 | ort | 92.15% (91.61 to 92.66) | 0.20 | 99.00% | 60 / 40 | 2.5e-01 |"
    assert text.splitlines()[-1] == line


def test_nothing_lost_is_no_negative_zero():
    row = Outcome("ort", "fp32", 450, None, 446, 450, 0, 0, 1e-6)
    text = accuracy_text(report(450, [row]) | {"reference": {"correct": 446}})
    assert "| 0.00 |" in text.splitlines()[-1]


def test_what_could_not_run_says_why():
    row = Outcome("tensorrt", "fp16", skipped="no GPU\nhere")
    assert accuracy_text(report(10, [row])).endswith(
        "| fp16 | tensorrt | not run: no GPU here | | | | |"
    )


def test_the_page_has_a_section_for_each_sample():
    row = Outcome("ort", "fp16", 10, None, 9, 10, 0, 0, 0.0)
    text = rendered("accuracy.md.j2", **values({"fashion": report(10, [row])}))
    clothes, digits = text.split("\n## ")[1:3]
    assert clothes.startswith("Fashion-MNIST")
    assert "1,234,567 bytes" in clothes
    assert "| fp16 | ort | 90.00% (59.58 to 98.21) |" in clothes
    assert digits.splitlines()[2] == "Not measured yet."
