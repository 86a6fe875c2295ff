"""Networks in 8 bits: what is kept of an export, the tables of it, and the limits set from it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from benchmarks.__main__ import main
from benchmarks.quantized_parity import (
    detections_table,
    measured,
    networks_table,
    quantized_rows,
    with_rows,
)
from benchmarks.report.results import kept_results
from vmamba_deploy.precisions import PRECISIONS

Json = dict[str, Any]


@pytest.mark.slow
def test_a_row_is_what_the_export_says(tmp_path: Path) -> None:
    """Of one real export; the second run reads what the first one kept."""
    words = ["parity", "--preset", "digits", "--precision", "int8", "--batch", "1,2"]
    words += ["--output", str(tmp_path / "kept"), "--json", str(tmp_path / "rows.json")]
    first, second = (CliRunner().invoke(main, words) for _ in range(2))
    assert first.exit_code == 0, first.output
    assert first.output == second.output
    report = json.loads((tmp_path / "kept" / "digits-int8.json").read_text())
    (row,) = json.loads((tmp_path / "rows.json").read_text())["rows"]
    assert (row["name"], row["way"], row["verdict"]) == ("digits", "int8", "passed")
    assert (row["quantized"], row["layers"], row["share"]) == (22, 22, 1.0)
    compared = [run["metrics"] for run in report["runs"] if run["metrics"]]
    assert row["answers"]["logits"]["nmse"] == max(one["nmse"] for one in compared)
    assert row["answers"]["logits"]["cosine"] == min(one["cosine"] for one in compared)
    assert 0 < row["flat"]["nmse"] < 1
    start = "| digits | `--int8 --no-engine` | 22 of 22 | 100% |"
    assert start in first.output


def test_a_way_that_there_is_not_is_refused() -> None:
    told = CliRunner().invoke(main, ["parity", "--precision", "int4"])
    assert told.exit_code != 0
    assert str(told.exception) == "there is no precision int4"


def run(status: str, **figures: float) -> Json:
    answer = {"name": "detection", "kind": "detection", "metrics": figures}
    outputs = [answer] if status != "skipped" else []
    return {"status": status, "inputs": [], "outputs": outputs}


def report(verdict: str) -> Json:
    figures = {"detections": 9, "box_pixels": 3.0, "score_error": 0.125, "mask_iou": 0.75}
    figures |= {"strange": 0.25, "found_of_all": 0.5}
    layers = [{"multiply_adds": 3}, {"multiply_adds": 1, "kept": "why"}]
    engine = {"built": True, "launches": 40, "narrow_products": ["a"]}
    files = {"model.onnx": {"size_bytes": 2_500_000}, "model.engine": {"size_bytes": 3_500_000}}
    return {
        "name": "finder", "way": "int8-engine", "precision": "int8", "task": "detection",
        "verdict": verdict,
        "quantization": {"facts": {"base": "fp16", "layers": layers}, "checks": []},
        "manifest": {"engine": engine, "files": files},
        "runs": [
            run("passed", **figures, decided=5, found=1.0),
            run("failed", **figures | {"box_pixels": 7.0}, decided=4, found=0.75),
            run("skipped"),
        ],
    }  # fmt: skip


def test_the_tables_have_the_worst_of_all_runtimes_and_say_what_is_refused() -> None:
    plain = {"name": "finder", "way": "fp16-engine", "precision": "fp16", "launches": 38}
    rows = [plain, measured(report("failed"))]
    assert networks_table(rows).splitlines()[2:] == [
        "| finder | `--int8`: **refused** | 1 of 2 | 75% | - | 4 of 9: 75% | 2.5 | 3.5 | 1 | 40 "
        "| 38 |"
    ]
    assert detections_table(rows).splitlines()[2:] == [
        "| finder | `--int8`: **refused** | 4 of 9 | 0.75 | 7 | 0.125 | 0.75 | 0.25 | 0.5 |"
    ]


def test_a_new_row_takes_the_place_of_the_old_one() -> None:
    old, new = measured(report("failed")), measured(report("passed"))
    other = old | {"name": "other"}
    kept = with_rows(with_rows(None, [old, other], "1"), [new], "1")
    assert [(row["name"], row["verdict"]) for row in kept["rows"]] == [
        ("finder", "passed"),
        ("other", "failed"),
    ]


@pytest.mark.parametrize("precision", ["int8", "fp8"])
def test_the_limits_are_above_what_was_measured(precision: str) -> None:
    """Twice the largest figure of the networks that pass, but for the NMSE, which is a bound."""
    kept = kept_results().quantization
    assert kept is not None
    rows = [row for row in quantized_rows(kept["rows"]) if row["precision"] == precision]
    passed = [row for row in rows if row["verdict"] == "passed"]
    usual, flat = PRECISIONS[precision].thresholds, PRECISIONS[precision].flat_thresholds
    found = [
        row["answers"][kind] for row in passed for kind in row["answers"] if kind != "detection"
    ]
    logits = [one for one in found if "nmse" in one]
    assert len(logits) >= 4
    assert max(one["nmse"] for one in logits) < usual.nmse
    assert 2 * max(1 - one["cosine"] for one in logits) < 1 - usual.cosine
    assert 2 * max(one["max_spread"] for one in logits) < usual.max_spread
    ones = [row["flat"] for row in passed if "nmse" in row["flat"]]
    assert 2 * max(one["nmse"] for one in ones) < flat.nmse
    assert 2 * max(one["max_spread"] for one in ones) < flat.max_spread
