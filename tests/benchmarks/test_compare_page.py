"""docs/comparison.md, its figure and the README's table show what the record has."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from benchmarks.report import comparison
from benchmarks.report.comparison_figure import accuracy_over_time
from benchmarks.report.figures import draw_figures
from benchmarks.report.op_table import op_rows
from benchmarks.report.page import COMPARISON, DOCS, PAGE, section
from benchmarks.report.results import Results
from benchmarks.report.templates import rendered

Json = dict[str, Any]
NETWORKS = {
    "Swin-T": {"family": "Swin", "top1": 81.3, "source": "one paper"},
    "VMamba-T": {"family": "VMamba", "top1": 82.6, "source": "another | paper"},
}
MS = {"fp32": 50.0, "int8": 25.0}


def spread(value: float) -> Json:
    return {"median": value, "q25": 0.9 * value, "q75": 1.1 * value}


def row(runtime: str, precision: str, batch: int, ratio: float) -> Json:
    ms = batch * ratio * MS[precision]
    return {
        "runtime": runtime,
        "precision": precision,
        "batch": batch,
        "ms": spread(ms),
        "images_per_s": batch / ms * 1e3,
        "rounds": 5,
        "peak_bytes": 200_000_000 + batch,
        "over_yardstick": spread(ratio * MS[precision] / MS["fp32"]),
        "over_yardstick_here": spread(ratio),
        "over_fp32": spread(MS[precision] / MS["fp32"]),
    }


def group(name: str, side: int, ratio: float, absent: tuple[str, ...] = ()) -> Json:
    batches = (1, 8) if side == 224 else (1,)
    rows = [
        row("onnxruntime", precision, batch, ratio * (side / 224) ** 2 / (1 if batch == 1 else 2))
        for batch in batches
        for precision in MS
    ]
    return {
        "network": name,
        "side": side,
        "parameters": 30_200_000,
        "multiply_adds": 5_000_000_000,
        "multiply_adds_per_s": 1e11,
        "busy_cores": 0.0,
        "int8": "linear layers",
        "rows": rows,
        "absent": [
            {"runtime": "openvino", "precision": each, "reason": "not\nhere"} for each in absent
        ],
        "failed": [],
    }


def record(busy: float = 0.05) -> Json:
    return {
        "schema_version": 1,
        "cpu": "a processor",
        "cores": 2,
        "tools": {"onnxruntime": "1.32.0"},
        "threads": 2,
        "runtimes": ["onnxruntime", "openvino"],
        "yardstick": "Swin-T",
        "date": "2026-11-27",
        "multiply_adds_per_s": 1e11,
        "busy_cores": spread(busy),
        "networks": NETWORKS,
        "groups": [
            group("Swin-T", 224, 1.0),
            group("VMamba-T", 224, 0.8, absent=("fp32",)),
            group("VMamba-T", 384, 0.8),
        ],
    }


def page(value: Json | None) -> str:
    return rendered("comparison.md.j2", **comparison.values(value))


def line(text: str, start: str) -> str:
    (found,) = (each for each in text.splitlines() if each.startswith(start))
    return found


def test_every_network_has_its_figures() -> None:
    text = page(record())
    assert line(text, "| VMamba-T | 82.6 |") == (
        "| VMamba-T | 82.6 | another / paper | 30.2 | 5.00 | 50.0 | 200 | 200 | linear layers |"
    )
    one, many = text.split("## 224 x 224, batch 8")
    assert "| VMamba-T | 25.0, 0.80x (0.72..0.88) | 50.0, 0.40x (0.36..0.44) |" in one
    assert "| VMamba-T | 50.0, 0.40x (0.36..0.44) | 100.0, 0.20x (0.18..0.22) |" in many
    assert line(many, "| VMamba-T | 384 x 384 |").startswith("| VMamba-T | 384 x 384 | 8.5, 2.35x")
    assert "- VMamba-T 224, openvino fp32: not here" in text
    assert "a quiet machine" in text
    assert "**a shared machine**" in page(record(busy=1.5))


def test_tables_are_whole() -> None:
    lines = page(record()).splitlines()
    heads = [number for number, text in enumerate(lines) if re.fullmatch(r"\|(---\|)+", text)]
    assert len(heads) == 5
    for number in heads:
        cells = lines[number].count("|")
        row_of_head = number - 1
        while lines[row_of_head].startswith("|"):
            assert lines[row_of_head].count("|") == cells, lines[row_of_head]
            row_of_head += 1
        assert row_of_head > number + 1


def test_bars_are_judged_on_the_page() -> None:
    text = page(record())
    name = "VMamba-T INT8 over fp32 in ONNX Runtime, batch 8"
    assert line(text, f"| {name} |") == f"| {name} | <= 0.56 | 0.5 | pass |"
    assert (
        "| VMamba-T fp32 in OpenVINO over Swin-T there, batch 1 | <= 1 | - | not measured" in text
    )


def test_without_a_record_the_page_says_so() -> None:
    text = page(None)
    assert "Not measured yet." in text
    assert "## The networks" not in text
    assert comparison.readme_values(None) is None


def test_the_readme_has_a_few_of_them() -> None:
    text = section(Results(comparison=record()))
    assert "| network | top-1 | ONNX Runtime fp32 | ONNX Runtime int8 |" in text
    assert "| VMamba-T | 82.6 | 25 | 50 |" in text
    assert "| Swin-T | 81.3 | 20 | 40 |" in text
    assert "shared with other work" not in text
    assert "shared with other work" in section(Results(comparison=record(busy=1.0)))


def test_the_figure_has_a_point_for_each_network(tmp_path: Path) -> None:
    figure = accuracy_over_time(record())
    panels = figure.axes
    assert [axes.get_title(loc="left") for axes in panels] == ["ONNX Runtime", "OpenVINO"]
    points = {
        (float(x), float(y))
        for drawn in panels[0].lines
        for x, y in zip(drawn.get_xdata(), drawn.get_ydata(), strict=True)
    }
    assert points == {(50.0, 81.3), (25.0, 81.3), (40.0, 82.6), (20.0, 82.6)}
    assert not any(len(drawn.get_xdata()) for drawn in panels[1].lines)
    drawn = draw_figures(Results(comparison=record()), op_rows(Results()), tmp_path)
    assert tmp_path / "comparison.svg" in drawn
    again = (tmp_path / "comparison.svg").read_bytes()
    draw_figures(Results(comparison=record()), op_rows(Results()), tmp_path)
    assert (tmp_path / "comparison.svg").read_bytes() == again


@pytest.mark.parametrize("page_of_site", [PAGE, COMPARISON])
def test_the_pages_are_named_in_the_site(page_of_site: Path) -> None:
    assert page_of_site.parent == DOCS
    assert f": {page_of_site.name}" in (DOCS.parent / "mkdocs.yml").read_text()
