"""A runtime that is added to the registry alone is compared, timed, shown and served."""

from __future__ import annotations

import json

import numpy as np
import pytest

from vmamba_deploy.errors import UsageError
from vmamba_deploy.inference import load
from vmamba_deploy.pipeline.bench import BenchPlan, run_bench
from vmamba_deploy.pipeline.compare import run_compare
from vmamba_deploy.pipeline.doctor import examine
from vmamba_deploy.runtimes.base import (
    Ability,
    RuntimeKind,
    RuntimeStatus,
    ServedModel,
    Service,
)
from vmamba_deploy.runtimes.onnxruntime import create_session
from vmamba_deploy.runtimes.registry import RUNTIMES

HERE = RuntimeStatus(True, "a toy runs everywhere")


class ToySession:
    """ONNX Runtime, with every output multiplied by a factor."""

    def __init__(self, path, factor):
        self.session, self.factor = create_session(path), factor
        self.closed = False

    def __call__(self, pixel_values):
        (taken,) = self.session.get_inputs()
        names = [output.name for output in self.session.get_outputs()]
        arrays = self.session.run(names, {taken.name: pixel_values})
        return {
            name: (self.factor * array).astype(np.float32)
            for name, array in zip(names, arrays, strict=True)
        }

    def close(self):
        self.closed = True


class ToyRuntime:
    name = "toy"

    def __init__(self, path, factor=1.0):
        self.path, self.factor = path, factor

    def status(self):
        return HERE

    def open(self):
        return ToySession(self.path, self.factor)


def toy(factor=1.0, opened=None):
    def serve(serving):
        sessions = [ToySession(serving.folder / "model.onnx", factor)] * serving.streams
        if opened is not None:
            opened.extend(sessions)
        return ServedModel("toy", sessions, (1, 8), fixed=True)

    return RuntimeKind(
        "toy",
        lambda files: ToyRuntime(files.onnx.path, factor),
        Service("toy", lambda _serving: HERE, serve, needs_gpu=True),
        layer_session=create_session,
        abilities=lambda: [Ability("Toy", HERE, "")],
    )


@pytest.fixture(scope="module")
def artifact(digits_artifact):
    return digits_artifact("fp32", engine=False)


def compared(artifact, tmp_path):
    results = run_compare(artifact, lambda _event: None, batches=(1, 2), report=tmp_path).parity
    report = json.loads((tmp_path / "report.json").read_text())
    (one,) = (result for result in results if result.runtime == "toy")
    return one, report


def test_it_is_compared_and_reported(artifact, tmp_path, monkeypatch):
    monkeypatch.setitem(RUNTIMES, "toy", toy())
    one, report = compared(artifact, tmp_path)
    assert (one.status, one.reason) == ("passed", "")
    assert "toy" in [run["runtime"] for run in report["runs"]]
    assert "toy" in (tmp_path / "report.html").read_text()


def test_when_it_is_wrong_it_fails_and_its_layers_are_looked_at(artifact, tmp_path, monkeypatch):
    monkeypatch.setitem(RUNTIMES, "toy", toy(1.01))
    one, report = compared(artifact, tmp_path)
    assert one.status == "failed"
    assert [series["runtime"] for series in report["layers"]] == ["toy"]


def test_it_is_timed(artifact, monkeypatch):
    monkeypatch.setitem(RUNTIMES, "toy", toy())
    outcome = run_bench(artifact / "model.onnx", BenchPlan(repeats=1))
    assert "toy" in [row.runtime for row in outcome.latencies]


def test_doctor_shows_it(monkeypatch):
    monkeypatch.setitem(RUNTIMES, "toy", toy())
    (finding,) = (one for one in examine() if one.name == "Toy")
    assert (finding.area, finding.level, finding.detail) == ("runtimes", "ok", HERE.reason)


@pytest.mark.parametrize("choice", ["toy", "auto"])
def test_an_application_opens_it(artifact, digits_folder, monkeypatch, choice):
    images = sorted(digits_folder.rglob("*.png"))[:9]
    with load(artifact, runtime="ort") as model:
        expected = [best[0].index for best in model.classify(images)]
    opened = []
    monkeypatch.setitem(RUNTIMES, "toy", toy(opened=opened))
    with load(artifact, runtime=choice) as model:
        assert (model.runtime, model.max_batch) == ("toy", 8)
        assert [best[0].index for best in model.classify(images)] == expected
    assert opened
    assert all(session.closed for session in opened)


def test_without_it_there_is_no_such_choice(artifact, monkeypatch):
    with pytest.raises(UsageError, match="toy"):
        load(artifact, runtime="toy")
    monkeypatch.setitem(RUNTIMES, "toy", toy())
    with pytest.raises(UsageError) as refused:
        load(artifact, runtime="another")
    assert refused.value.hint == "one of auto, trt, rtx, ort, ort-cuda, openvino, toy"
