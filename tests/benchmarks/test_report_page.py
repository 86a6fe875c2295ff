"""docs/performance.md is what the kept results give, with and without a record of a GPU."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner

from benchmarks.__main__ import main
from benchmarks.gpu_check.bars import judge
from benchmarks.network_floor import network_floor, operations
from benchmarks.op_shapes import OP_SHAPES, PUBLISHED
from benchmarks.report.figures import draw_figures
from benchmarks.report.page import op_rows, page_text, three_digits, with_measured_layers
from benchmarks.report.readme import BEGIN, END, README, readme_text, section
from benchmarks.report.results import Results, keep_gpu_record, kept_results
from benchmarks.report.writing import DOCS, PAGE, stale_texts
from vmamba_deploy.errors import InputFileError

EMPTY = Results()


def stage(result: dict, status: str = "passed", error: str | None = None) -> dict:
    return {"status": status, "seconds": 3.0, "budget_s": 9.0, "error": error, "result": result}


def spread(value: float) -> dict[str, float]:
    return {"median": value, "q25": 0.9 * value, "q75": 1.1 * value}


def op_row(index: int, batch: int, ours_us: float) -> dict:
    shape = OP_SHAPES[index]
    published = PUBLISHED[shape][batch].chain_us
    return {
        "shape": shape.name,
        "batch": batch,
        "times_us": {"ours": spread(ours_us), "op_alone": spread(ours_us / 2)},
        "plain_chain_over_ours": spread(30.0),
        "published_chain_us": published,
        "published_chain_over_ours": published / ours_us,
        "floor": {"bytes": 60.0, "special_functions": 80.0, "larger": 80.0},
    }


@pytest.fixture
def record() -> dict:
    """A record such as `make gpu-check` writes, with a stage that failed."""
    layers = [vars(row) | {"time_ms": 0.25} for row in operations("vmamba_tiny_s1l8", batch=128)]
    network = {
        "model": "vmamba_tiny_s1l8",
        "runtime": "CUDA graph",
        "precision": "fp16",
        "batch": 128,
        "images_per_s": 9000.0,
        "ms_per_image": 0.111,
        "nmse": 1e-6,
        "agrees": True,
    }
    sizes = [(224, 224, 128, 10.0), (1024, 1024, 6, 11.0), (1024, 1024, 1, 13.0)]
    resolutions = [
        {"height": h, "width": w, "batch": b, "full_batch": b > 1, "ns_per_pixel": ns}
        for h, w, b, ns in sizes
    ]
    environment = {
        "gpu": {"name": "A Test GPU", "multiprocessors": 132},
        "nvidia_smi": {"driver_version": "580.1"},
        "torch": "2.11",
        "cuda": "13.0",
        "time": "2026-11-23",
        "ceilings": {"copy_bytes_per_s": 3e12, "product_flop_per_s": 8e14},
    }
    accuracy = [
        {"kind": kind, "x": "float16", "y": y, "relative": error, "nmse": error**2}
        | {"equal_bits": bits}
        for kind, y, error, bits in (
            ("one pixel", "float32", 1e-7, True),
            ("one row", "float32", 3e-7, True),
            ("one row", "float16", 2e-4, False),
        )
    ]
    stages = {
        "accuracy": stage({"cases": accuracy, "random": {"done": 1000}, "failures": []}),
        "environment": stage(environment),
        "op_timing": stage({"rows": [op_row(0, 128, 220.0), op_row(0, 1, 30.0)]}),
        "networks": stage({"rows": [network]}),
        "high_resolution": stage(
            {"model": "vmamba_tiny_s1l8", "rows": resolutions, "largest_over_smallest": 1.1}
        ),
        "layers": stage({"model": "vmamba_tiny_s1l8", "batch": 128, "rows": layers}),
        "ncu": stage({}, status="failed", error="Traceback\nno permission | to read counters"),
    }
    made = {"schema_version": 1, "rehearsal": False, "seconds": 400.0, "stages": stages}
    return made | {"bars": judge(made)}


def test_the_texts_in_the_repository_are_what_the_kept_results_give() -> None:
    assert stale_texts() == [], "run: python -m benchmarks report"


def test_the_table_of_the_readme_has_what_was_measured_and_what_was_predicted(record: dict) -> None:
    kept = kept_results()
    predicted = section(Results(kernel_model=predictions(123.0), cpu_op=kept.cpu_op))
    assert "batch 128 | 123 us (predicted) | floor 73.7 us |" in predicted
    assert "29x; at the 8 judged shapes 5.6x to 136x (predicted) |" in predicted
    assert "not measured**" in predicted
    measured = section(Results(gpu=record, kernel_model=predictions(123.0)))
    assert "batch 128 | 220 us | floor 80 us | public chain 3566 us: 16.2x; " in measured
    assert "at the 1 judged shapes 16.2x to 16.2x |" in measured
    assert "batch 128, CUDA graph | 9000 images/s | 0.111 ms per image |" in measured
    assert "predicted" not in measured


def test_only_the_results_of_the_readme_change() -> None:
    before = f"# A\n\n{BEGIN}\nold\n\n{END}\n## B\n"
    after = readme_text(EMPTY, before)
    assert after.startswith(f"# A\n\n{BEGIN}")
    assert after.endswith(f"{END}\n## B\n")
    assert "old" not in after
    assert readme_text(EMPTY, after) == after
    with pytest.raises(InputFileError, match=r"README\.md has no place for the results"):
        readme_text(EMPTY, f"# A\n{END}{BEGIN}")
    assert README.read_text().count(BEGIN) == 1


def test_every_figure_of_the_page_is_there() -> None:
    shown = [line for line in PAGE.read_text().splitlines() if line.startswith("![")]
    assert shown
    for line in shown:
        assert (DOCS / line.split("](")[1].rstrip(")")).read_text().startswith("<?xml")


def test_without_any_result_the_page_says_what_is_missing() -> None:
    text = page_text(EMPTY)
    assert "No GPU was at hand: nothing in this section was measured." in text
    assert "There are no predicted times yet" in text
    assert "| D96 L3136 N1 | 128 | 3566 | 1095 | 59.9 | 73.7 | 5x (10x) |" in text


def test_predictions_stand_beside_the_published_times() -> None:
    text = page_text(Results(kernel_model=predictions(123.0)))
    assert "| D96 L3136 N1 | 128 | 3566 | 1095 | 59.9 | 73.7 | 123 | 29x | 5x (10x) |" in text
    assert "no predicted times" not in text


def test_a_record_of_a_gpu_fills_the_page(record: dict) -> None:
    floor = network_floor("vmamba_tiny_s1l8", (128, 1))
    text = page_text(with_measured_layers(replace(EMPTY, gpu=record, floor=floor)))
    assert "No GPU was at hand" not in text
    assert "one A Test GPU (132 multiprocessors, driver" in text
    assert (
        "| D96 L3136 N1 | 128 | 3566 | 1095 | 60 | 80 | 220.0 (198.0..242.0) | 16.2x | 30.0" in text
    )
    assert "| ncu | failed: no permission / to read counters | 3 |" in text
    assert "| vmamba_tiny_s1l8 | CUDA graph | fp16 | 128 | 9000 | 0.111 |" in text
    assert "| 1024 x 1024 | 6 | 11.00 | 13 |" in text
    assert "| op D96 L3136 N1 batch 1, published chain over ours | >= 3 | 2.4 | missed |" in text
    assert "| float16 | float32 | 2 | 3.0e-07 | 9.0e-14 | one row | equal |" in text
    assert "| float16 | float16 | 1 | 2.0e-04 | 4.0e-08 | one row | **differ** |" in text
    # 14 scans of 0.25 ms: 2, 2, 8 and 2 in the stages.
    assert "(2000)" in text


def predictions(total_us: float) -> dict:
    """As the kernel model writes them, one figure for all."""
    rows = [
        {"gpu": "H100 SXM", "shape": shape.name, "batch": batch, "total_us": total_us}
        for shape in OP_SHAPES
        for batch in (128, 1)
    ]
    return {"predictions": rows}


def resolutions(us_of_batch: dict[int, float]) -> dict:
    """Predicted cost per pixel, as `predicted-resolutions` writes it."""
    rows = [
        {
            "height": 224,
            "width": 224,
            "batch": batch,
            "full_batch": batch > 1,
            "us": us,
            "ns_per_pixel": us * 1e3 / (batch * 224**2),
        }
        for batch, us in us_of_batch.items()
    ]
    return {"gpu": "H100 SXM", "rows": rows}


def test_what_was_predicted_stands_beside_what_was_measured(record: dict) -> None:
    record["stages"]["environment"]["result"]["gpu"]["name"] = "NVIDIA H100 80GB HBM3"
    text = page_text(Results(gpu=record, kernel_model=predictions(110.0)))
    row = next(line for line in text.splitlines() if line.startswith("| D96 L3136 N1 | 128"))
    assert "| 110 | 32.4x | 220.0 (198.0..242.0) |" in row
    assert row.endswith("| 2 | 5x (10x) |")
    record["stages"]["environment"]["result"]["gpu"]["name"] = "NVIDIA GeForce RTX 5070"
    other = page_text(Results(gpu=record, kernel_model=predictions(110.0)))
    assert "predicted" not in next(line for line in other.splitlines() if "| shape |" in line)


def test_without_a_gpu_the_networks_of_the_public_code_and_an_estimate_are_shown() -> None:
    floor = network_floor("vmamba_tiny_s1l8", (128, 1))
    text = page_text(Results(floor=floor, predicted_resolutions=resolutions({128: 900, 1: 200})))
    assert "| vmamba_tiny_s1l8 | 2712 | 2883 | 4242 | 8649, and 1.5 ms at batch 1 |" in text
    batch = floor["batches"]["128"]
    scans = sum(row["scan"] for row in batch["floor_us"].values())
    milliseconds = (batch["total_us"] - scans + 900) / 1e3
    assert f"take {milliseconds:.2f} ms at batch 128" in text
    assert "| 224 x 224 | 128 | 0.14 | 3.99 |" in text
    assert (
        text.count("**predicted, not measured**") + text.count("**Predicted, not measured**") == 2
    )


def test_measured_layers_stand_beside_their_floor_at_their_batch_size(record: dict) -> None:
    results = replace(EMPTY, gpu=record, floor=network_floor("vmamba_tiny_s1l8", (128, 1)))
    batches = with_measured_layers(results).floor["batches"]
    assert batches["128"]["measured_us"]["stage 3"]["scan"] == pytest.approx(2000.0)
    assert batches["1"]["measured_us"] is None


def test_figures_are_the_same_each_time(record: dict, tmp_path: Path) -> None:
    floor = network_floor("vmamba_tiny_s1l8", (128, 1))
    results = with_measured_layers(replace(EMPTY, gpu=record, floor=floor))
    for name in ("first", "second"):
        draw_figures(results, op_rows(results), tmp_path / name)
    first = {path.name: path.read_bytes() for path in (tmp_path / "first").iterdir()}
    second = {path.name: path.read_bytes() for path in (tmp_path / "second").iterdir()}
    assert set(first) == {"op_times.svg", "network_floor.svg", "cost_per_pixel.svg"}
    assert first == second


def test_only_the_record_of_a_gpu_is_kept(record: dict, tmp_path: Path) -> None:
    path, folder = tmp_path / "record.json", tmp_path / "results"
    path.write_text(json.dumps(record | {"rehearsal": True}))
    with pytest.raises(InputFileError, match="not the record of a run on a GPU"):
        keep_gpu_record(path, folder)
    path.write_text(json.dumps(record))
    keep_gpu_record(path, folder)
    assert kept_results(folder).gpu == record


def test_a_broken_result_is_named(tmp_path: Path) -> None:
    (tmp_path / "cpu_op.json").write_text("{")
    with pytest.raises(InputFileError, match=r"cpu_op\.json is not JSON"):
        kept_results(tmp_path)


@pytest.mark.parametrize(
    ("value", "text"), [(16699, "16699"), (73.68, "73.7"), (0.5758, "0.576"), (0, "0")]
)
def test_numbers_have_three_digits(value: float, text: str) -> None:
    assert three_digits(value) == text


def test_the_command_checks_the_page() -> None:
    assert CliRunner().invoke(main, ["report", "--check"]).exit_code == 0
