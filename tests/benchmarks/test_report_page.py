"""docs/performance.md is what the kept results give, with and without a record of a GPU."""

from __future__ import annotations

import json
from copy import deepcopy
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from benchmarks.__main__ import main
from benchmarks.gpu.device_calls import _LISTS
from benchmarks.gpu_check.targets import judge
from benchmarks.network_floor import H100, network_floor, operations
from benchmarks.op_shapes import OP_SHAPES, bytes_moved
from benchmarks.report import page as page_module
from benchmarks.report.figures import draw_figures
from benchmarks.report.gpu_tables import PROFILED, network_rows
from benchmarks.report.op_table import op_rows, rates_of, with_measured_layers
from benchmarks.report.page import (
    BEGIN,
    DOCS,
    END,
    PAGE,
    README,
    page_text,
    readme_text,
    section,
    stale_texts,
)
from benchmarks.report.reasons import REASONS
from benchmarks.report.results import Results, keep_gpu_record, kept_results
from benchmarks.report.templates import spread_text, three_digits
from vmamba_deploy.errors import InputFileError

Json = dict[str, Any]
EMPTY = Results()
TINY = "vmamba_tiny_s1l8"
COMMIT = "0123456789ab"
# Half an H100's copies and products, and its special functions: 16 x 100 x 2 GHz.
CEILINGS = {
    "copy_bytes_per_s": 1.5e12,
    "product_flop_per_s": 4e14,
    "special_functions_per_s": 3.2e12,
}


def spread(value: float) -> dict[str, float]:
    return {"median": value, "q25": 0.9 * value, "q75": 1.1 * value}


def part(**commands: Json) -> Json:
    return {
        "status": "passed",
        "seconds": 3.0,
        "limit_s": 9.0,
        "reason": None,
        "commit": COMMIT,
        "commands": commands,
    }


def measured(result: Json) -> Json:
    return {"status": "passed", "seconds": 3.0, "tail": "said at length", "result": result}


def pytest_run(rows: list[Json], failures: tuple[str, ...] = ()) -> Json:
    counts = {"passed": 5, "failed": len(failures), "skipped": 0, "failures": list(failures)}
    return {
        "status": "failed" if failures else "passed",
        "tail": "the end",
        "tests": counts | {"rows": rows},
    }


def op_row(index: int, batch: int, ours_us: float, chain_us: float, segments: int = 1) -> Json:
    return {
        "shape": OP_SHAPES[index].name,
        "batch": batch,
        "times_us": {
            "ours": spread(ours_us),
            "op_alone": spread(ours_us / 2),
            "x_proj_alone": spread(ours_us / 4),
            "chain": spread(chain_us),
        },
        "chain_over_ours": spread(chain_us / ours_us),
        "floor_us": {"bytes": 60.0, "special_functions": 80.0, "larger": 80.0},
        "plan": {"resident_blocks": 3, "segments": segments},
        "absent": {},
    }


def network(preset: str, batch: int, **ms: float) -> Json:
    """Rows by way, `_` for `-`; the public form in mixed precision."""
    rows = [
        {
            "competitor": name.replace("_", "-"),
            "precision": "AMP fp16" if name.startswith("public") else "fp16",
            "ms": spread(value),
            "nmse": 1e-6,
            "largest_nmse": 1e-4,
            "agrees": True,
        }
        for name, value in ms.items()
    ]
    absent = {"tensorrt": "no TensorRT | here"} if batch == 1 else {}
    return {"preset": preset, "batch": batch, "rows": rows, "absent": absent, "failed": {}}


def launch(kernel: str) -> Json:
    return {
        "kernel": f"void {kernel}(ScanParams)",
        "duration": "407,392 ns",
        "clock": "1,793,791,081.72 hz",
        "instructions per clock": "1.76 inst/cycle",
        "occupancy %": "18.74 %",
        "special functions %": "23.07 %",
        "memory %": "53.09 %",
        "blocks by registers": "1 block",
        "blocks by shared_mem": "2 block",
        "stalled: barrier": "0.65 inst",
        "stalled: long_scoreboard": "0.96 inst",
        "stalled: mio_throttle": "0.71 inst",
        "stalled: wait": "1.04 inst",
    }


def errors(kind: str, y: str, relative: float, *, bits: bool = True) -> Json:
    dims = {"batch": 1, "height": 2, "width": 3, "channels": 4, "state": 1, "rank": 2}
    row = {"kind": kind, "dims": dims, "x": "float16", "y": y, "relative": relative}
    row |= {"nmse": relative**2, "largest": 2 * relative, "equal_bits": bits}
    return row | {"passed": relative < 1e-3}


ACCURACY = [
    errors("one pixel", "float32", 1e-7),
    errors("random 7", "float32", 3e-7),
    errors("one row", "float16", 2e-4, bits=False),
]


@pytest.fixture(scope="module")
def _layers() -> list[Json]:
    return [vars(row) | {"time_ms": 0.25} for row in operations(TINY, batch=128)]


@pytest.fixture
def record(_layers: list[Json]) -> Json:
    """A record such as `make gpu-check` writes: parts that failed, parts that are not there."""
    machine = {
        "gpu": {"name": "A Test GPU", "multiprocessors": 100, "compute_capability": "9.0"},
        "nvidia_smi": {"driver_version": "580.1"},
        "packages": {"torch": "2.11", "triton": "3.6"},
        "cuda": "13.0",
        "time": "2026-11-26",
        "ceilings": CEILINGS,
    }
    op = [op_row(0, 128, 220.0, 880.0), op_row(3, 128, 100.0, 1100.0)]
    op += [op_row(6, 128, 400.0, 2400.0), op_row(0, 1, 20.0, 70.0, segments=4)]
    kernels = ["merge<1, 6>", "merge<1, 1>", "merge<8, 1>", "ends<1>", "merge<1, 1>"]
    sizes = [(224, 224, 128, 10.0), (1024, 1024, 6, 11.0), (1024, 1024, 1, 13.0)]
    resolutions = [
        {"height": h, "width": w, "batch": b, "full_batch": b > 1, "ns_per_pixel": ns}
        | {"ms": spread(ns)}
        for h, w, b, ns in sizes
    ]
    sequences = [
        {
            "sequence": "Vim tiny",
            "batch": 128,
            "dims": {"routes": [0, 2]},
            "times_us": {"op_alone": spread(50.0), "four_routes": spread(90.0)},
            "four_routes_over_op": spread(1.8),
            "floor_us": {"bytes": 20.0, "special_functions": 25.0, "larger": 25.0},
            "plan": None,
        }
    ]
    sanitizer = [{"tool": "racecheck", "errors": 5, "ways": ["one", "two"]}]
    times = {"pytorch_eager": 20.0, "pytorch_cuda_graph": 19.0, "public_form": 30.0}
    parts = {
        "machine": part(machine=measured(machine)),
        "accuracy": part(accuracy=pytest_run(ACCURACY, ("test_x[one: a]: AssertionError: {'a'}",))),
        "op": part(op=measured({"gpu": "A Test GPU", "ceilings": CEILINGS, "rows": op})),
        "sequences": part(sequences=measured({"rows": sequences})),
        "network": part(
            network_128=measured(network(TINY, 128, **times)),
            network_1=measured(network(TINY, 1, pytorch_eager=5.0, pytorch_cuda_graph=1.0)),
        ),
        "counters": part(counters=measured({"rows": [launch(name) for name in kernels]})),
        "layers": part(layers=measured({"model": TINY, "batch": 128, "rows": _layers})),
        "sanitizer": part(sanitizer=pytest_run(sanitizer)),
        "resolutions": part(
            resolutions=measured({"model": TINY, "rows": resolutions, "largest_over_smallest": 1.1})
        ),
        "compiled": part(
            compiled_128=measured(network(TINY, 128, pytorch_eager=20.0, pytorch_compiled=12.0))
        ),
        "aotinductor": part(
            aotinductor_128={"status": "timeout", "tail": "stopped", "result": None}
        )
        | {
            "status": "timeout",
            "reason": "aotinductor_128: stopped | after 100 s",
            "commit": "fedcba987654",
        },
    }
    made = {"schema_version": 2, "rehearsal": False, "commit": COMMIT, "parts": parts}
    made |= {"command": "python -m benchmarks.gpu_check --keep there"}
    return deepcopy(made | {"bars": judge(made)})


@pytest.fixture(scope="module")
def floor() -> Json:
    return network_floor(TINY, (128, 1))


@pytest.fixture
def page(record: Json, floor: Json) -> str:
    return page_text(with_measured_layers(replace(EMPTY, gpu=record, floor=floor)))


def test_the_texts_in_the_repository_are_what_the_kept_results_give() -> None:
    assert stale_texts() == [], "run: python -m benchmarks report"


def test_the_table_of_the_readme_has_what_was_measured(record: Json, floor: Json) -> None:
    results = with_measured_layers(Results(gpu=record, floor=floor))
    text = section(results)
    assert "batch 128 | 220 us | floor 80 us | 4x the reference chain (aim: 5x); " in text
    assert "4x to 11x at the 3 judged shapes |" in text
    assert "batch 1 | 20 us | floor 80 us | 3.5x the reference chain (aim: 3x)" in text
    assert "batch 128, pytorch-compiled | 10667 images/s |" in text
    assert "| 2.5x the public form in eager mixed precision (aim: 3x) |" in text
    assert "as a CUDA graph | 1.00 ms |" in text
    assert "cost per pixel | 1.10, largest over smallest |" in text
    assert f"one A Test GPU, commit `{COMMIT}`, by `{record['command']}`" in text


def test_without_a_record_the_table_of_the_readme_has_the_floors() -> None:
    text = section(Results(cpu_op=kept_results().cpu_op))
    assert "batch 128 | not measured yet | floor 73.7 us | against the reference chain" in text
    assert "batch 1, as a CUDA graph | not measured yet | floor 0.0976 ms" in text
    assert text.count("| not measured yet |") == 5
    assert "floors stand at an H100's nominal rates" in text
    assert "the op on the CPU" in text


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
    assert "**Not measured yet: no record of a run on a GPU is kept.**" in text
    assert "Floors stand at an H100 SXM's nominal rates: 3.0 TB/s" in text
    missing = (
        "| D96 L3136 N1 | 128 | not measured yet | - | - | - | - | 5x (10x) | not measured yet"
    )
    assert f"{missing} | 73.7 | - | - | 3566 |" in text
    assert "| D96 L3136 N1 | 128 | 59.9 | 73.7 | 73.7 |" in text
    assert "| vmamba_tiny_s1l8 | pytorch-compiled | fp16 | 128 | not measured yet |" in text
    assert "| 9.89 (3.1) |" in text
    assert "why it is missed" not in text


@pytest.mark.parametrize("with_record", [True, False])
def test_no_time_on_the_page_is_a_prediction(record: Json, *, with_record: bool) -> None:
    results = replace(kept_results(), gpu=record if with_record else None)
    text = page_text(with_measured_layers(results)) + section(results)
    assert "predict" not in text.lower()
    assert "estimate" not in text.lower()


def test_the_page_begins_with_the_run(page: str) -> None:
    head = page.partition("## How to measure")[0]
    assert "one **A Test GPU** (100 multiprocessors, compute capability 9.0), driver 580.1" in head
    assert "PyTorch 2.11, Triton 3.6, CUDA 13.0, 2026-11-26." in head
    assert f"Commit `{COMMIT}`, by `python -m benchmarks.gpu_check --keep there`." in head
    assert "Of commit `fedcba987654`: the part aotinductor." in head
    assert "1.50 TB/s" in head


def test_parts_that_failed_or_did_not_run_are_listed(page: str) -> None:
    assert "| timeout | 3 | aotinductor_128: stopped / after 100 s |" in page
    assert (
        "| plugin | the TensorRT plugin through IPluginV3, without TensorRT | not run yet | - |"
        in page
    )
    assert "- accuracy failed: `test_x[one: a]`" in page
    assert "| plugin | not measured yet | - | - | - |" in page


def test_accuracy_and_sanitizer_stand_on_the_page(page: str) -> None:
    row = "| float16 | float32 | 2 | 0 | 3.0e-07 | 9.0e-14 | 6.0e-07 | random 7 | equal |"
    assert row in page
    assert (
        "| float16 | float16 | 1 | 0 | 2.0e-04 | 4.0e-08 | 4.0e-04 | one row | **differ** |" in page
    )
    assert "\n1 random shapes" in page
    assert "| racecheck | 2 | 5 |" in page


def test_the_op_s_rows_have_verdicts_and_missed_bars_a_reason(page: str) -> None:
    row = next(line for line in page.splitlines() if line.startswith("| D96 L3136 N1 | 128 |"))
    assert row.startswith("| D96 L3136 N1 | 128 | 220.0 (198.0..242.0) | 110.0 (99.0..121.0) |")
    assert row.endswith("| 4.00 (3.60..4.40) | 5x (10x) | **MISSED** | 80 | 2.75x | 3 | 3566 |")
    assert "| 11.00 (9.90..12.10) | 5x (10x) | pass, and the goal |" in page
    assert "| 3.50 (3.15..3.85) | 3x (5x) | pass |" in page
    assert REASONS["op batch 128 N 1"] in page
    assert REASONS["op batch 128 N 16"] not in page
    assert "| >= 5x (goal 10x) | 4x to 11x | 2 of 3 pass, 1 reach the goal |" in page


def test_verdicts_on_the_page_are_those_of_the_bars(record: Json) -> None:
    words = {
        row["shape"]: row["verdict"] for row in op_rows(Results(gpu=record)) if row["batch"] == 128
    }
    for target in judge(record):
        shape = target["name"].partition("op ")[2].partition(" batch 128,")[0]
        if shape in words:
            word = "goal" if target.get("goal") else "pass"
            assert (word in words[shape]) is target["passed"]


def test_a_shape_without_a_time_keeps_a_floor_at_the_rates_of_the_run(record: Json) -> None:
    results = Results(gpu=record)
    row = next(row for row in op_rows(results) if row["ours"] is None)
    shape = next(shape for shape in OP_SHAPES if shape.name == row["shape"])
    assert row["floor"]["bytes"] == pytest.approx(bytes_moved(shape.dims(row["batch"])) / 1.5e6)
    assert rates_of(EMPTY) is H100
    assert rates_of(results).special_functions == 3.2e12


def test_sequences_stand_beside_four_routes(page: str) -> None:
    row = "| Vim tiny | 2 | 128 | 50.00 (45.00..55.00) | 25 | 2x | 1.80 (1.62..1.98) |"
    assert row in page
    assert "mamba_ssm on a GPU: not measured yet" in page_text(EMPTY)


def test_counters_are_shown_with_their_call(page: str) -> None:
    row = "| D96 L3136 N1 batch 128 | `merge<1, 6>` | 407 | 1.79 | 1.76 | 18.7 | 23.1 | 53.1 |"
    assert f"{row} wait 1.04, long scoreboard 0.96, mio throttle 0.71 | 1 / 2 / - |" in page
    assert "| D96 L3136 N1 batch 1 | `ends<1>` |" in page
    assert "| D96 L3136 N1 batch 1 | `merge<1, 1>` |" in page


def test_the_named_calls_are_those_that_are_profiled() -> None:
    shapes = {(shape.dims(batch)): (shape.name, batch) for shape in OP_SHAPES for batch in (128, 1)}
    assert tuple(shapes[dims] for dims, _ in _LISTS["profiled"]) == PROFILED


def test_networks_stand_beside_the_public_form(page: str, record: Json) -> None:
    row = "| vmamba_tiny_s1l8 | pytorch-compiled | fp16 | 128 | 12.00 (10.80..13.20) | 10667 |"
    assert f"{row} 0.0938 | 2.5x | 1e-06 (1e-04) |" in page
    assert "| pytorch-cuda-graph | fp16 | 1 | 1.00 (0.90..1.10) | 1000 | 1 | - |" in page
    assert "| aotinductor | fp16 | 128 | not measured yet | - | - | - | - |" in page
    assert "- network_1, tensorrt, absent: no TensorRT / here" in page
    assert REASONS["network batch 128"] in page
    ways = [
        (row["preset"], row["batch"], row["competitor"]) for row in network_rows(Results(record))
    ]
    assert len(ways) == len(set(ways))


def test_cost_per_pixel_has_a_verdict(page: str) -> None:
    assert "| 1024 x 1024 | 6 | 11.00 (9.90..12.10) | 11.00 | 13 |" in page
    assert "Largest over smallest with a full batch: 1.10, at most 1.25 asked: pass." in page


def test_measured_layers_stand_beside_a_floor_at_the_rates_of_the_run(
    record: Json, floor: Json, page: str
) -> None:
    results = with_measured_layers(replace(EMPTY, gpu=record, floor=floor))
    assert results.floor is not None
    batches = results.floor["batches"]
    # 14 scans of 0.25 ms: 2, 2, 8 and 2 in the stages.
    assert batches["128"]["measured_us"]["stage 3"]["scan"] == pytest.approx(2000.0)
    assert "(2000)" in page
    assert batches["1"]["measured_us"] is None
    assert batches["1"]["rates"]["bytes_moved"] == 1.5e12
    assert batches["1"]["total_us"] > floor["batches"]["1"]["total_us"]
    assert with_measured_layers(Results(floor=floor)).floor is floor


@pytest.mark.parametrize("with_record", [True, False])
def test_figures_are_the_same_each_time(
    record: Json, floor: Json, tmp_path: Path, *, with_record: bool
) -> None:
    kept = Results(gpu=record if with_record else None, floor=floor, cpu_op=kept_results().cpu_op)
    results = with_measured_layers(kept)
    for name in ("first", "second"):
        draw_figures(results, op_rows(results), tmp_path / name)
    first = {path.name: path.read_bytes() for path in (tmp_path / "first").iterdir()}
    second = {path.name: path.read_bytes() for path in (tmp_path / "second").iterdir()}
    assert set(first) == {"op_times.svg", "network_floor.svg", "cost_per_pixel.svg"}
    assert first == second


def test_every_part_may_be_missing_or_without_a_result(record: Json) -> None:
    for name in record["parts"]:
        rest = {key: value for key, value in record["parts"].items() if key != name}
        assert page_text(Results(gpu=record | {"parts": rest}))
        hollow = deepcopy(record)
        for command in hollow["parts"][name]["commands"].values():
            command |= {"status": "stopped", "result": None, "tests": None}
        assert page_text(Results(gpu=hollow))
        assert section(Results(gpu=hollow))


@pytest.mark.parametrize(
    "change", [{"rehearsal": True}, {"schema_version": 1}, {"rehearsal": None, "parts": {}}]
)
def test_only_the_record_of_a_gpu_is_kept(record: Json, tmp_path: Path, change: Json) -> None:
    path, folder = tmp_path / "record.json", tmp_path / "results"
    changed = {key: value for key, value in (record | change).items() if value is not None}
    path.write_text(json.dumps(changed))
    with pytest.raises(InputFileError, match="not the record of a run on a GPU"):
        keep_gpu_record(path, folder)
    assert not folder.exists()


def test_a_record_is_kept_without_what_the_page_does_not_show(record: Json, tmp_path: Path) -> None:
    path, folder = tmp_path / "record.json", tmp_path / "results"
    path.write_text(json.dumps(record | {"bars": []}))
    keep_gpu_record(path, folder)
    kept = kept_results(folder).gpu
    assert kept is not None
    assert page_text(Results(gpu=kept)) == page_text(Results(gpu=record))
    assert kept["bars"] == judge(record)
    commands = {
        name: row for each in kept["parts"].values() for name, row in each["commands"].items()
    }
    assert "tail" not in commands["op"]
    assert commands["accuracy"]["tail"] == "the end"
    assert [row["cases"] for row in commands["accuracy"]["tests"]["rows"]] == [2, 1]
    before = (folder / "gpu_check.json").read_bytes()
    keep_gpu_record(folder / "gpu_check.json", folder)
    assert (folder / "gpu_check.json").read_bytes() == before


def test_many_cases_take_no_room_in_the_kept_record(record: Json, tmp_path: Path) -> None:
    rows = [errors(f"random {i}", "float32", 1e-7) for i in range(2000)]
    record["parts"]["accuracy"]["commands"]["accuracy"] = pytest_run(rows)
    path = tmp_path / "record.json"
    path.write_text(json.dumps(record))
    keep_gpu_record(path, tmp_path / "results")
    assert (tmp_path / "results" / "gpu_check.json").stat().st_size < 200_000


def test_a_broken_result_is_named(tmp_path: Path) -> None:
    (tmp_path / "cpu_op.json").write_text("{")
    with pytest.raises(InputFileError, match=r"cpu_op\.json is not JSON"):
        kept_results(tmp_path)


@pytest.mark.parametrize(
    ("value", "text"), [(16699, "16699"), (73.68, "73.7"), (0.5758, "0.576"), (0, "0"), (None, "-")]
)
def test_numbers_have_three_digits(value: float | None, text: str) -> None:
    assert three_digits(value) == text


@pytest.mark.parametrize(
    ("median", "text"),
    [(2000.0, "2000 (1800..2200)"), (200.0, "200.0 (180.0..220.0)"), (2.0, "2.00 (1.80..2.20)")],
)
def test_a_spread_has_the_places_that_its_size_needs(median: float, text: str) -> None:
    assert spread_text(spread(median)) == text
    assert spread_text(None, "not yet") == "not yet"


def test_segmentation_and_detection_have_a_row_for_each_way() -> None:
    rows = [
        {
            "competitor": "onnxruntime-library",
            "ms": spread(2000.0),
            "peak_bytes": 1.5e9,
            "shares": {"Conv": 0.9, "SelectiveScan2D": 0.1},
        },
        {"competitor": "onnxruntime-body", "ms": spread(4000.0), "peak_bytes": 2e9, "shares": {}},
    ]
    case = {"preset": "a", "image": "800 x 1333", "input": [800, 1344], "floor_ms": 987.6}
    dense = {"machine": "M.", "threads": 2, "multiply_adds_per_s": 1e11, "cases": [case]}
    text = page_text(replace(kept_results(), cpu_dense=dense | {"cases": [case | {"rows": rows}]}))
    times = "2000 (1800..2200) | 988 | 1.50 | 10% | - |"
    assert f"| a | 800 x 1333 | 800 x 1344 | onnxruntime-library | {times}" in text
    assert "| onnxruntime-body | 4000 (3600..4400) | 988 | 2.00 | - | - |" in text


@pytest.mark.parametrize("with_record", [True, False])
def test_the_command_writes_the_page_with_and_without_a_record(
    record: Json, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, with_record: bool
) -> None:
    results = replace(kept_results(), gpu=record if with_record else None)
    monkeypatch.setattr(page_module, "kept_results", lambda: results)
    readme = tmp_path / "README.md"
    readme.write_text(f"{BEGIN}{END}")
    monkeypatch.setattr(page_module, "README", readme)
    monkeypatch.setattr(page_module, "PAGE", tmp_path / "performance.md")
    monkeypatch.setattr(page_module, "COMPARISON", tmp_path / "comparison.md")
    monkeypatch.setattr(page_module, "ACCURACY", tmp_path / "accuracy.md")
    monkeypatch.setattr(page_module, "FIGURES", tmp_path / "figures")
    begin, end = page_module.QUANTIZED
    for name in ("PARITY", "QUANTIZATION"):
        (tmp_path / name).write_text(f"Before.\n{begin}{end}After.\n")
        monkeypatch.setattr(page_module, name, tmp_path / name)
    told = CliRunner().invoke(main, ["report"])
    assert told.exit_code == 0, told.output
    assert ("A Test GPU" in (tmp_path / "performance.md").read_text()) is with_record
    assert ("A Test GPU" in readme.read_text()) is with_record
    assert len(list((tmp_path / "figures").iterdir())) == 4
    assert CliRunner().invoke(main, ["report", "--check"]).exit_code == 0
    assert "| `--int8` | 56 of 70 |" in (tmp_path / "QUANTIZATION").read_text()
    assert "`decided_agreement`" in (tmp_path / "PARITY").read_text()
    for name in ("performance.md", "comparison.md", "accuracy.md"):
        before = (tmp_path / name).read_text()
        (tmp_path / name).write_text("old")
        assert CliRunner().invoke(main, ["report", "--check"]).exit_code == 1
        (tmp_path / name).write_text(before)


def test_the_command_checks_the_page() -> None:
    assert CliRunner().invoke(main, ["report", "--check"]).exit_code == 0
