from __future__ import annotations

import numpy as np
import pytest
from msgspec import structs

from vmamba_deploy.artifacts.engine_facts import EngineFacts, PluginFacts, ShapeProfile
from vmamba_deploy.runtimes.cuda_driver import Gpu, GpuSearch, find_gpus
from vmamba_deploy.runtimes.onnxruntime import OnnxRuntimeBody
from vmamba_deploy.runtimes.tensorrt.flavour import Flavour
from vmamba_deploy.runtimes.tensorrt.run import TensorRTRuntime

ADA = GpuSearch((Gpu(0, "RTX 4090", (8, 9)),), "1 GPU")
HOPPER = GpuSearch((Gpu(0, "H100", (9, 0)),), "1 GPU")

FACTS = EngineFacts(
    built=True,
    reason=None,
    flavour="tensorrt_rtx",
    version="1.7.1.116",
    compute_capabilities=(),
    plugin_layers=1,
    profile=ShapeProfile(min=(1, 3, 6, 5), opt=(1, 3, 6, 5), max=(8, 3, 6, 5)),
    plugin=PluginFacts(name="SelectiveScan2D", version="1", namespace="vmamba", delivery="beside"),
)


@pytest.fixture
def engine(tmp_path, monkeypatch):
    monkeypatch.setattr(Flavour, "installed", property(lambda self: True))
    monkeypatch.setattr(Flavour, "version", property(lambda self: "1.7.1.116"))
    path = tmp_path / "model.engine"
    path.write_bytes(b"an engine")
    return path


@pytest.mark.parametrize(
    ("search", "options", "reason"),
    [
        (GpuSearch((), "no NVIDIA driver here"), {}, "needs an NVIDIA GPU: no NVIDIA driver here"),
        (HOPPER, {}, "refuses compute capability 9.0"),
        (ADA, {"version": "1.6.0.1"}, "built by tensorrt_rtx 1.6.0.1, this machine has 1.7.1.116"),
        (ADA, {"compute_capabilities": ("8.6", "12.0")}, "capability 8.6, 12.0, this one has 8.9"),
    ],
)
def test_status_says_why_it_cannot_run(engine, search, options, reason):
    status = TensorRTRuntime(engine, structs.replace(FACTS, **options)).status(search)
    assert not status.available
    assert reason in status.reason


def test_status_where_it_can_run(engine):
    runtime = TensorRTRuntime(engine, structs.replace(FACTS, compute_capabilities=("8.9",)))
    assert runtime.name == "tensorrt_rtx"
    assert runtime.status(ADA).available
    engine.unlink()
    assert "no engine at" in runtime.status(ADA).reason


@pytest.mark.gpu
@pytest.mark.parametrize(
    ("precision", "tolerance"), [("fp32", 1e-4), ("fp16", 2e-2), ("bf16", 0.1)]
)
def test_an_engine_agrees_with_onnxruntime(
    rtx, plugin, build, scan_model, tmp_path, precision, tolerance
):
    status = rtx.can_run_here(find_gpus())
    if not status.available:
        pytest.skip(status.reason)
    model = scan_model(scans=2, precision=precision)
    facts = build(model, tmp_path / "e", batches=(1, 3, 8))
    expected = OnnxRuntimeBody(model).open()
    session = TensorRTRuntime(tmp_path / "e", facts, plugin_library=plugin).open()
    # The smallest, the usual and the largest batch of the profile, and what lies between.
    for batch in (1, 2, 3, 8, 1):
        images = np.random.default_rng().standard_normal((batch, 3, 6, 5), dtype=np.float32)
        got = session(images)["logits"]
        np.testing.assert_array_equal(got, session(images)["logits"])
        np.testing.assert_allclose(got, expected(images)["logits"], atol=tolerance)
    session.close()
