"""The sentence that ends an export: it claims what ran, and names what did not."""

from __future__ import annotations

import pytest

from vmamba_deploy.artifacts.engine_facts import EngineFacts
from vmamba_deploy.errors import UsageError
from vmamba_deploy.parity.metrics import Metrics
from vmamba_deploy.parity.results import InputResult, RunResult, RunStatus
from vmamba_deploy.parity.verdict import Verdict
from vmamba_deploy.precisions import PRECISIONS
from vmamba_deploy.reports.model import EngineInfo
from vmamba_deploy.runtimes.registry import RUNTIMES, check_required, file_runtimes

NO_GPU = "no NVIDIA driver here"
BUILT = EngineInfo(True, "tensorrt_rtx", "1.7.1.4", 14, 63_000_000, 12.5)
NONE = EngineFacts(built=False, reason="not asked for (--no-engine)", flavour="tensorrt")


def run(name: str, status: RunStatus = "passed", reason: str = "") -> RunResult:
    limits = PRECISIONS["fp32"].thresholds
    if status != "passed":
        return RunResult(name, status, reason, limits)
    figures = Metrics.unknown(images=1, non_finite=0)
    one = InputResult("photos-b1", 1, True, "", figures)
    return RunResult(name, status, reason, limits, (one,), figures, "logits")


ORT = (run("pytorch"), run("onnxruntime-body"), run("onnxruntime-library"))
SKIPPED = run("tensorrt_rtx", "skipped", NO_GPU)


@pytest.mark.parametrize(
    ("verdict", "status", "sentence"),
    [
        (
            Verdict((*ORT, SKIPPED), BUILT),
            "passed",
            "agrees with PyTorch fp32 in ONNX Runtime and ONNX Runtime with our library; "
            f"TensorRT-RTX engine built, not executed here: {NO_GPU}",
        ),
        (
            Verdict((*ORT, run("tensorrt_rtx")), BUILT),
            "passed",
            "agrees with PyTorch fp32 in ONNX Runtime, ONNX Runtime with our library and "
            "TensorRT-RTX",
        ),
        (
            Verdict((*ORT[:2], run("tensorrt", "skipped", "no engine: x")), NONE),
            "passed",
            "agrees with PyTorch fp32 in ONNX Runtime; no TensorRT engine: not asked for "
            "(--no-engine)",
        ),
        (
            Verdict((*ORT[:2], run("openvino", "failed", "nmse 1")), NONE),
            "failed",
            "OpenVINO disagrees with PyTorch fp32; agrees with PyTorch fp32 in ONNX Runtime; "
            "no TensorRT engine: not asked for (--no-engine)",
        ),
        (
            Verdict((*ORT[:2], SKIPPED), BUILT, required=("tensorrt_rtx", "onnxruntime-body")),
            "failed",
            f"TensorRT-RTX is required and did not run: {NO_GPU}; agrees with PyTorch fp32 in ONNX "
            "Runtime",
        ),
        (
            Verdict(ORT[:2], NONE, required=("openvino",)),
            "failed",
            "OpenVINO is required and did not run: it was not compared; agrees with PyTorch fp32 "
            "in ONNX Runtime; no TensorRT engine: not asked for (--no-engine)",
        ),
        (
            Verdict((run("pytorch"), run("onnxruntime-body", "skipped", "not here")), NONE),
            "unproven",
            "not proven: no exported file was executed here; no TensorRT engine: not asked for "
            "(--no-engine); ONNX Runtime not executed here: not here",
        ),
        (
            Verdict((), BUILT),
            "unproven",
            "not compared with PyTorch; TensorRT-RTX engine built, not executed here",
        ),
        (
            Verdict(ORT[:2], NONE, faults=["structure: fc1 has other values"]),
            "failed",
            "structure: fc1 has other values; agrees with PyTorch fp32 in ONNX Runtime; "
            "no TensorRT engine: not asked for (--no-engine)",
        ),
    ],
)
def test_what_ran_is_said_and_nothing_else(verdict: Verdict, status: str, sentence: str) -> None:
    assert (verdict.status, verdict.sentence) == (status, sentence)
    assert bool(verdict.failures) == (status == "failed")


def test_an_engine_that_was_not_executed_is_never_among_what_agrees() -> None:
    told = Verdict((*ORT, SKIPPED), BUILT).as_json()
    assert told["agreed"] == ["onnxruntime-body", "onnxruntime-library"]
    assert told["not_executed"] == {"tensorrt_rtx": NO_GPU}


def test_only_what_executes_files_can_be_required() -> None:
    check_required(file_runtimes())
    assert {*RUNTIMES} - {*file_runtimes()} == {"pytorch"}
    for name in ("pytorch", "trt"):
        with pytest.raises(UsageError, match=f"no runtime named '{name}' to require"):
            check_required((name,))
