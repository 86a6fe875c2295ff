import math

import pytest

from vmamba_deploy.parity.kinds.logits import LogitsMetrics
from vmamba_deploy.parity.localise import LayerError
from vmamba_deploy.parity.results import InputResult, OutputResult, RunResult
from vmamba_deploy.precisions import PRECISIONS
from vmamba_deploy.reports.machine import describe_machine, tool_versions, utc_now
from vmamba_deploy.reports.model import EngineInfo, LayerSeries, Report, WeightsInfo


def metrics(error=1e-13, non_finite=0):
    bad = math.nan if non_finite else None
    return LogitsMetrics(
        images=11,
        non_finite=non_finite,
        max_abs=bad or 3.2e-6,
        mean_abs=bad or 4.1e-7,
        max_rel=bad or 2e-6,
        max_spread=bad or 1.1e-5,
        nmse=bad or error,
        cosine=bad or 1 - error,
        top1_agreement=bad or 10 / 11,
        top5_agreement=bad or 1.0,
        decided=9,
        decided_top1=bad or 1.0,
    )


def run(name, status, reason="", figures=None):
    figures = figures or (metrics() if status != "skipped" else None)
    inputs = ()
    if figures is not None:
        sets = (("photos-b1", 1), ("photos-b8", 8), ("black-b1", 1), ("normal-b1", 1))
        inputs = tuple(
            InputResult(n, b, not reason, reason, figures, 0.21 * b, n.startswith("black"))
            for n, b in sets
        )
    outputs = (OutputResult("logits", "logits", figures),) if figures is not None else ()
    limits = PRECISIONS["fp16"].thresholds
    output = "logits" if outputs else None
    return RunResult(name, status, reason, limits, inputs, figures, output, outputs)


def layer_series(runtime="onnxruntime-body", scale=1e-9, drift=None):
    depths = (2, 2, 8, 2)
    names = ["patch_embed"]
    for stage, depth in enumerate(depths):
        names += [f"layers.{stage}.blocks.{index}" for index in range(depth)]
        names += [f"layers.{stage}.downsample"] if stage < 3 else ["classifier"]
    errors = tuple(
        LayerError(name, scale * (1 + index), 1e-4, 1 - scale) for index, name in enumerate(names)
    )
    return LayerSeries(runtime, errors, 1e-7, drift)


@pytest.fixture
def make_report():
    def make(*runs, **changes):
        fields = {
            "preset": "vmamba_tiny_s1l8",
            "precision": "fp16",
            "weights": WeightsInfo("random (seed 0)", "ab" * 32, "The weights are random."),
            "engine": EngineInfo(True, "tensorrt_rtx", "1.7.1.4", 14, 63_000_000, 12.5),
            "runs": runs
            or (
                run("pytorch", "passed"),
                run("onnxruntime-body", "passed"),
                run("tensorrt_rtx", "skipped", "no NVIDIA GPU on this machine"),
            ),
            "machine": describe_machine(),
            "tools": tool_versions(),
            "created": utc_now(),
            "timings": {"export": 8.1, "engine": 12.9, "parity": 31.0},
            "layers": (layer_series(), layer_series("onnxruntime-library", 3e-10)),
        }
        return Report(**fields | changes)

    return make


@pytest.fixture
def make_run():
    return run


@pytest.fixture
def broken_metrics():
    return metrics(non_finite=5)


@pytest.fixture
def make_series():
    return layer_series
