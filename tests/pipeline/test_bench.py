"""What bench measures, what it leaves out and why, and how long it takes."""

from __future__ import annotations

import json
import shlex
import shutil
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from vmamba_deploy.cli import cli
from vmamba_deploy.errors import EnvironmentProblem, ExitCode, UsageError
from vmamba_deploy.pipeline.bench import BenchPlan, run_bench
from vmamba_deploy.runtimes.base import Concurrent, ModelFiles, RuntimeKind, RuntimeStatus
from vmamba_deploy.runtimes.registry import RUNTIMES


@pytest.fixture(scope="module")
def folder(digits_artifact: Any) -> Path:
    artifact: Path = digits_artifact("fp32", engine=False)
    return artifact


class Picky:
    """A runtime of one call at a time, and of no batch but 1."""

    name = "picky"
    calls = 0

    def status(self) -> RuntimeStatus:
        return RuntimeStatus(True, "")

    def open(self) -> Picky:
        return self

    def __call__(self, pixel_values: Any) -> dict[str, Any]:
        if len(pixel_values) != 1:
            raise UsageError("the engine takes one image")
        Picky.calls += 1
        return {}

    def close(self) -> None:
        pass


@pytest.fixture
def picky(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(RUNTIMES, "picky", RuntimeKind("picky", lambda _files: Picky()))
    monkeypatch.setattr(Picky, "calls", 0)


def test_only_what_is_named_is_measured_whatever_it_is_called(folder: Path) -> None:
    plan = BenchPlan(runtimes=("openvino", "ort"), repeats=1)
    rows = run_bench(folder, plan).latencies
    assert [row.runtime for row in rows] == ["onnxruntime-library", "openvino"]
    assert rows[0].speedup == 1.0


def test_without_pytorch_no_weights_are_needed(folder: Path, tmp_path: Path) -> None:
    copy = shutil.copyfile(folder / "model.onnx", tmp_path / "model.onnx")
    plan = BenchPlan(runtimes=("onnxruntime-body",), weights="gone.safetensors", repeats=1)
    assert [row.runtime for row in run_bench(copy, plan).latencies] == ["onnxruntime-body"]


def test_a_runtime_that_does_not_take_a_batch_is_left_out_of_it_alone(
    folder: Path, picky: None
) -> None:
    plan = BenchPlan(batches=(1, 2), runtimes=("picky", "ort"), repeats=2, warmup=3)
    outcome = run_bench(folder, plan)
    measured = [(row.runtime, row.batch) for row in outcome.latencies]
    assert measured == [("onnxruntime-library", 1), ("picky", 1), ("onnxruntime-library", 2)]
    assert outcome.skipped == {"picky at batch 2": "the engine takes one image"}
    assert Picky.calls == 3 + 2 * 2  # the warm-up; in each round one untimed and one timed


def test_a_duration_is_held_with_many_calls(folder: Path, picky: None) -> None:
    (row,) = run_bench(folder, BenchPlan(runtimes=("picky",), duration=0.3)).latencies
    assert row.times.calls > 100
    assert row.times.calls * row.times.mean_ms >= 299
    assert row.images_per_second == pytest.approx(1e3 / row.times.mean_ms, rel=0.01)


def test_streams_are_measured_where_a_runtime_has_them(folder: Path, picky: None) -> None:
    names = ("onnxruntime-library", "openvino", "picky")
    outcome = run_bench(folder, BenchPlan(runtimes=names, repeats=2, streams=3, threads=1))
    assert outcome.skipped["picky"] == "it takes one call at a time, not 3 streams"
    rows = {row.runtime: row for row in outcome.latencies}
    assert rows.keys() == {"onnxruntime-library", "openvino"}
    assert all((row.streams, row.times.calls) == (3, 6) for row in rows.values())


def test_sessions_that_run_side_by_side_give_what_one_gives(folder: Path) -> None:
    from concurrent.futures import ThreadPoolExecutor

    import numpy as np

    from vmamba_deploy.exporting.onnx_model import OnnxModel

    files = ModelFiles(OnnxModel.read(folder / "model.onnx"), threads=1)
    pixels = np.random.default_rng(0).standard_normal((4, 1, 3, 32, 32), dtype=np.float32)
    for name in ("onnxruntime-library", "openvino"):
        runtime = RUNTIMES[name].on_files(files)
        assert isinstance(runtime, Concurrent)
        first, *others = runtime.open_streams(4)
        wanted = [first(one)["logits"] for one in pixels]
        with ThreadPoolExecutor(4) as pool:
            found = pool.map(lambda session, one: session(one)["logits"], [first, *others], pixels)
            np.testing.assert_allclose([*found], wanted, atol=1e-5)
        for session in (*others, first):
            session.close()


def test_profiles_are_of_the_nodes_that_ran(folder: Path, picky: None) -> None:
    outcome = run_bench(folder, BenchPlan(repeats=1, profile=True))
    assert outcome.unprofiled == {"picky": "it has no times of its nodes"}
    profiles = {one.runtime: one for one in outcome.profiles}
    nodes = {name: {kind.kind: kind.nodes for kind in one.kinds} for name, one in profiles.items()}
    assert nodes["pytorch"]["SS2D"] == 4
    assert nodes["onnxruntime-body"]["Scan"] == 4
    assert nodes["onnxruntime-library"]["SelectiveScan2D"] == 4
    assert nodes["openvino"]["Reference"] == 4  # as it calls an op of an extension
    for one in profiles.values():
        assert 0 < one.total_ms == pytest.approx(sum(kind.ms for kind in one.kinds))
        slowest = [node.ms for node in one.slowest]
        assert slowest == sorted(slowest, reverse=True)


def test_what_has_no_files_here_is_said_when_it_is_named(folder: Path) -> None:
    plan = BenchPlan(runtimes=("aotinductor", "ort"), repeats=1)
    assert run_bench(folder, plan).skipped["aotinductor"] == "there is no file for it"
    with pytest.raises(EnvironmentProblem, match="no runtime could be measured: aotinductor"):
        run_bench(folder, BenchPlan(runtimes=("aotinductor",)))


def test_a_runtime_that_is_none(folder: Path) -> None:
    with pytest.raises(UsageError, match="no runtime 'onnx'") as refused:
        run_bench(folder, BenchPlan(runtimes=("onnx",)))
    assert "onnxruntime-library" in str(refused.value.hint)


def test_the_table_has_percentiles_and_small_speed_ups_with_three_digits(folder: Path) -> None:
    words = ["bench", str(folder), "--runtime", "ort", "--runtime", "pytorch", "--iterations", "2"]
    shown = CliRunner().invoke(cli, words)
    assert shown.exit_code == ExitCode.OK, shown.output
    for word in ("p50", "p90", "p99", "images/s", "speed-up", "1.00x"):
        assert word in shown.output
    told = CliRunner().invoke(cli, [*words, "--json"])
    rows = json.loads(told.stdout.splitlines()[-1])["latencies"]
    assert [row["runtime"] for row in rows] == ["pytorch", "onnxruntime-library"]
    assert rows[0]["times"]["calls"] == sum(rows[0]["times"]["histogram"]["calls"]) == 2


@pytest.mark.parametrize(
    "words", [("--repeats", "0"), ("--duration", "0"), ("--warmup", "0"), ("--streams", "0")]
)
def test_numbers_that_make_no_sense(folder: Path, words: tuple[str, str]) -> None:
    refused = CliRunner().invoke(cli, ["bench", str(folder), *words])
    assert refused.exit_code == ExitCode.USAGE
    assert words[0] in refused.output


def test_a_report_is_data_or_a_page_by_its_ending(folder: Path, tmp_path: Path) -> None:
    for file in (tmp_path / "bench.json", tmp_path / "bench.html"):
        words = ["--runtime", "ort", "--repeats", "2", "--streams", "2", "--report", str(file)]
        result = CliRunner().invoke(cli, ["bench", str(folder), *words])
        assert result.exit_code == ExitCode.OK, result.output
    data = json.loads((tmp_path / "bench.json").read_text())
    (row,) = data["latencies"]
    assert (row["runtime"], row["streams"], row["times"]["calls"]) == ("onnxruntime-library", 2, 4)
    assert data["made_with"]["tools"]["onnxruntime"]
    # The command measures the same again.
    program, *again = shlex.split(data["command"])
    assert program == "vmamba-deploy"
    repeated = CliRunner().invoke(cli, [*again, "--json"])
    (same,) = json.loads(repeated.stdout.splitlines()[-1])["latencies"]
    assert [same[key] for key in ("runtime", "batch", "streams")] == ["onnxruntime-library", 1, 2]
    page = (tmp_path / "bench.html").read_text()
    assert "<svg" in page
    assert "vmamba-deploy bench" in page


@pytest.mark.parametrize("name", ["bench.txt", "bench", "missing/bench.json"])
def test_a_report_that_cannot_be_written_is_refused_before_anything_is_measured(
    folder: Path, tmp_path: Path, name: str
) -> None:
    refused = CliRunner().invoke(cli, ["bench", str(folder), "--report", str(tmp_path / name)])
    assert refused.exit_code == ExitCode.USAGE
    assert "measuring" not in refused.output
    assert not [*tmp_path.iterdir()]
