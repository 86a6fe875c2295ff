"""`python -m benchmarks`: the competitors are real, and what is printed is what was measured."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from click.testing import CliRunner

from benchmarks.__main__ import main
from benchmarks.competitors import (
    COMPETITORS,
    IDENTITY,
    PUBLIC,
    YARDSTICK,
    Absent,
    Competitor,
    Entrants,
    chosen_competitors,
    compare_model,
    onnxruntime_cuda,
    onnxruntime_identity,
    tensorrt,
)
from benchmarks.networks import REHEARSED, PlainScan, recorded_scans
from benchmarks.op_comparison import TARGET_SHAPE, Shape, float32_tensors, onnx_body
from benchmarks.texts import floor_text, model_text, op_text, spread_text
from benchmarks.timing import Call
from vmamba_deploy.errors import UsageError
from vmamba_deploy.ops.selective_scan_2d.torch_op import selective_scan_2d


@pytest.fixture(scope="module")
def entrants(tmp_path_factory: pytest.TempPathFactory) -> Entrants:
    folder = tmp_path_factory.mktemp("model")
    return Entrants(REHEARSED, batch=1, threads=2, device="cpu", folder=folder, image_side=64)


def test_a_network_with_plain_scans_gives_the_same_logits(entrants: Entrants) -> None:
    with torch.inference_mode():
        expected = entrants.model(entrants.tensor)
        plain = PlainScan(entrants.model)(entrants.tensor)
        after = entrants.model(entrants.tensor)
    assert not torch.equal(plain, expected)
    assert torch.allclose(plain, expected, atol=1e-4 * float(expected.abs().max()))
    assert torch.equal(after, expected)


def test_the_graph_without_scans_runs_and_has_none(entrants: Entrants) -> None:
    (logits,) = onnxruntime_identity(entrants)()
    assert logits.shape == (1, 10)
    with torch.inference_mode():
        expected = entrants.model(entrants.tensor).numpy()
    assert np.abs(logits - expected).max() > 1e-2


def test_the_scans_alone_are_those_of_the_network(entrants: Entrants) -> None:
    scans = recorded_scans(entrants.model, entrants.tensor)
    shapes = [(16, 16, 16), (8, 8, 32), (4, 4, 64), (2, 2, 128)]
    assert [tuple(scan().shape[1:]) for scan in scans] == shapes
    assert torch.equal(scans[3](), scans[3]())


def test_competitors_are_compared_with_eager_pytorch(entrants: Entrants) -> None:
    report = compare_model(entrants, rounds=2, names=("onnxruntime-body", IDENTITY, "scans-alone"))
    names = [row["competitor"] for row in report["rows"]]
    assert names == [YARDSTICK, "onnxruntime-body", IDENTITY, "scans-alone"]
    assert report["rows"][0]["over_yardstick"] == {"median": 1.0, "q25": 1.0, "q75": 1.0}
    assert all(row["ms"]["median"] > 0 for row in report["rows"])
    assert report["precision"] == "fp32"
    assert report["absent"] == {}


def test_a_competitor_that_cannot_run_here_is_left_out_with_its_reason(
    entrants: Entrants, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VMAMBA_NATIVE_DIR", str(entrants.folder))
    report = compare_model(entrants, rounds=1, names=(IDENTITY, "onnxruntime-library"))
    assert list(report["absent"]) == ["onnxruntime-library"]
    assert "libvmamba_ort.so" in report["absent"]["onnxruntime-library"]
    assert "absent: VMAMBA_NATIVE_DIR" in model_text(report)


def broken(_: Entrants) -> Call:
    raise RuntimeError("the compiler has a bug")


def test_a_competitor_with_a_bug_is_told_and_the_others_have_their_turn(
    entrants: Entrants, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(COMPETITORS, "broken", Competitor(broken, ("cpu",)))
    report = compare_model(entrants, rounds=1, names=("broken", "scans-alone"))
    assert report["failed"] == {"broken": "RuntimeError: the compiler has a bug"}
    assert [row["competitor"] for row in report["rows"]] == [YARDSTICK, "scans-alone"]
    assert report["absent"] == {}
    text = model_text(report)
    assert "broken                  FAILED: RuntimeError: the compiler has a bug" in text


def test_the_command_ends_with_six_after_a_bug_and_writes_its_results(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(
        COMPETITORS, "pytorch-plain-chain", Competitor(broken, COMPETITORS[YARDSTICK].devices)
    )
    path = tmp_path / "model.json"
    # `--tiny` takes the plain chain, whatever was asked for.
    words = ["model", "--tiny", "--competitor", "scans-alone", "--json", str(path)]
    result = CliRunner().invoke(main, words)
    assert result.exit_code == 6, result.output
    report = json.loads(path.read_text())
    assert list(report["failed"]) == ["pytorch-plain-chain"]
    assert [row["competitor"] for row in report["rows"]] == [YARDSTICK]
    assert (report["preset"], report["batch"], report["image_side"]) == (REHEARSED, 2, 32)


def test_each_row_has_its_precision(entrants: Entrants, monkeypatch: pytest.MonkeyPatch) -> None:
    mixed = Competitor(COMPETITORS["scans-alone"].enter, ("cpu",), precision="AMP fp16")
    monkeypatch.setitem(COMPETITORS, "mixed", mixed)
    report = compare_model(entrants, rounds=1, names=("mixed",))
    precisions = {row["competitor"]: row["precision"] for row in report["rows"]}
    assert precisions == {YARDSTICK: "fp32", "mixed": "AMP fp16"}
    # Agreement is judged on a GPU.
    assert not any("agrees" in row for row in report["rows"])


def test_a_result_that_is_too_far_is_told() -> None:
    spread = {"median": 2.0, "q25": 1.5, "q75": 2.5}
    row = {
        "competitor": "aotinductor",
        "precision": "fp16",
        "ms": spread,
        "over_yardstick": spread,
        "nmse": 0.1,
        "largest_nmse": 1e-4,
        "agrees": False,
    }
    head = {"preset": "t", "precision": "fp16", "batch": 1, "device": "cuda"}
    report = head | {"rows": [row, row | {"agrees": True}], "absent": {}, "failed": {}}
    _, wrong, right = model_text(report).splitlines()
    assert wrong.endswith("x eager PyTorch  NMSE 1e-01 TOO FAR")
    assert right.endswith("x eager PyTorch  NMSE 1e-01")


def test_tensorrt_says_that_there_is_no_gpu(entrants: Entrants) -> None:
    if Path("/dev/nvidiactl").exists():
        pytest.skip("this machine has a GPU")
    with pytest.raises(Absent, match="NVIDIA"):
        tensorrt(entrants)


def test_onnxruntime_says_that_it_has_no_cuda(entrants: Entrants) -> None:
    import onnxruntime as ort

    if "CUDAExecutionProvider" in ort.get_available_providers():
        pytest.skip("this ONNX Runtime has CUDA")
    on_gpu = Entrants("t", 1, 2, "cuda", entrants.folder)
    with pytest.raises(Absent, match="install onnxruntime-gpu instead"):
        onnxruntime_cuda(on_gpu)


def test_competitors_are_chosen_by_device() -> None:
    assert chosen_competitors("cpu", ())[0] == YARDSTICK
    assert "tensorrt" not in chosen_competitors("cpu", ())
    assert "onnxruntime-body" not in chosen_competitors("cuda", ())
    assert not {"pytorch-compiled", "aotinductor"} & set(chosen_competitors("cpu", ()))
    on_cuda = chosen_competitors("cuda", ())
    assert on_cuda[0] == YARDSTICK
    assert {"pytorch-cuda-graph", "onnxruntime-cuda", PUBLIC, "pytorch-amp"} <= set(on_cuda)
    assert not {"pytorch-compiled", "aotinductor", "pytorch-plain-chain"} & set(on_cuda)
    assert chosen_competitors("cuda", ("aotinductor", PUBLIC)) == (YARDSTICK, "aotinductor", PUBLIC)
    with pytest.raises(UsageError, match="there is no competitor 'public-form' on cpu"):
        chosen_competitors("cpu", (PUBLIC,))
    assert chosen_competitors("cpu", ("pytorch-compiled",)) == (YARDSTICK, "pytorch-compiled")
    with pytest.raises(UsageError, match="there is no competitor 'tensorrt' on cpu"):
        chosen_competitors("cpu", ("tensorrt",))


def test_a_wrong_competitor_is_a_usage_error() -> None:
    result = CliRunner().invoke(main, ["model", "--competitor", "abacus"])
    assert isinstance(result.exception, UsageError)


def test_the_onnx_body_computes_the_op() -> None:
    tensors = float32_tensors(Shape(5, 4, 8, 1, 2))
    (y,) = onnx_body(tensors, threads=1)()
    assert np.allclose(y, selective_scan_2d(*tensors, 1).numpy(), atol=1e-5)


def test_multiply_adds_are_counted_per_step() -> None:
    assert TARGET_SHAPE.multiply_adds == 4 * 56 * 56 * 96 * (6 + 16 + 11)


def test_the_floor_is_printed_and_written(tmp_path: Path) -> None:
    path = tmp_path / "floor.json"
    result = CliRunner().invoke(main, ["network-floor", "--batch", "2", "--json", str(path)])
    assert result.exit_code == 0, result.output
    report = json.loads(path.read_text())
    assert report["preset"] == "vmamba_tiny_s1l8"
    assert floor_text(report) + "\n" == result.output
    assert f"in sum {report['batches']['2']['total_us']:.0f}" in result.output


def test_the_report_of_the_op_is_printed() -> None:
    spread = {"median": 2.0, "q25": 1.5, "q75": 2.5}
    report = {
        "isa": "avx2",
        "threads": 2,
        "multiply_adds_per_s": 40e9,
        "bar_floor_ms": 0.5,
        "bar": {"times_ms": {"kernel": spread, "body": spread}, "speedup": {"body": spread}},
        "tiny_s1l8": {"times_ms": {"96": spread}, "total_ms": spread, "floor_ms": 3.7},
    }
    lines = op_text(report).splitlines()
    assert lines[1] == "matrix product: 40.0 G multiply-adds/s"
    assert lines[4].endswith("2.00 (1.50..2.50) ms  2.0 (1.5..2.5)x the kernel")
    assert lines[-1] == "  14 scans of tiny_s1l8: 2.00 (1.50..2.50) ms, floor 3.70 ms"
    assert spread_text(spread, 0) == "2 (2..2)"
