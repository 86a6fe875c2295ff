"""ONNX Runtime with bound tensors: the same code on the CPU here, and on a GPU where one is."""

from __future__ import annotations

import numpy as np
import onnx
import pytest

from vmamba_deploy import native
from vmamba_deploy.errors import VmambaError
from vmamba_deploy.runtimes import onnxruntime_cuda
from vmamba_deploy.runtimes.cuda_driver import GpuSearch
from vmamba_deploy.runtimes.onnxruntime import create_session
from vmamba_deploy.runtimes.onnxruntime_cuda import BoundSession, OnnxRuntimeCuda, cuda_package


@pytest.fixture
def library():
    available, reason = native.available("vmamba_ort")
    if not available:
        pytest.skip(reason)
    return native.library_path("vmamba_ort")


def images(batch, generator):
    return generator.standard_normal((batch, 3, 6, 5)).astype(np.float32)


def test_bound_tensors_give_what_a_plain_run_gives(scan_model, library):
    session = create_session(scan_model(scans=2), library=library)
    bound, generator = BoundSession(session, "cpu"), np.random.default_rng()
    # Shapes come back: their buffers are filled again.
    for batch in (1, 3, 1, 3):
        pixels = images(batch, generator)
        (plain,) = session.run(None, {"pixel_values": pixels})
        np.testing.assert_array_equal(bound(pixels)["logits"], plain)


def test_outputs_of_free_size_get_buffers_of_their_size(scan_model, library):
    path = scan_model(size=("height", "width"))
    model = onnx.load(path)
    axes = ["batch", "height", "width", 3]
    model.graph.output.insert(0, onnx.helper.make_tensor_value_info("t0", 1, axes))
    onnx.save(model, path)
    session = create_session(path, library=library)
    bound, generator = BoundSession(session, "cpu"), np.random.default_rng()
    for batch, height, width in ((1, 6, 5), (2, 3, 9), (1, 6, 5), (2, 6, 5)):
        pixels = generator.standard_normal((batch, 3, height, width)).astype(np.float32)
        plain = dict(
            zip(("t0", "logits"), session.run(None, {"pixel_values": pixels}), strict=True)
        )
        got = bound(pixels)
        assert list(got) == ["t0", "logits"]
        for name, array in got.items():
            np.testing.assert_array_equal(array, plain[name])


def test_results_of_a_call_survive_the_next(scan_model, library):
    bound = BoundSession(create_session(scan_model(), library=library), "cpu")
    generator = np.random.default_rng()
    first = bound(images(2, generator))["logits"]
    kept = first.copy()
    bound(images(2, generator))
    np.testing.assert_array_equal(first, kept)


def test_images_that_are_not_contiguous(scan_model, library):
    bound = BoundSession(create_session(scan_model(), library=library), "cpu")
    pixels = images(2, np.random.default_rng())
    sliced = np.repeat(pixels, 2, axis=0)[::2]
    np.testing.assert_array_equal(bound(sliced)["logits"], bound(pixels)["logits"])


def test_a_closed_session_says_so(scan_model, library):
    bound = BoundSession(create_session(scan_model(), library=library), "cpu")
    bound.close()
    with pytest.raises(VmambaError, match="closed"):
        bound(images(1, np.random.default_rng()))


def test_status_names_what_is_missing(tmp_path, monkeypatch):
    runtime = OnnxRuntimeCuda(tmp_path / "model.onnx")
    monkeypatch.setattr(onnxruntime_cuda, "cuda_package", lambda: None)
    assert runtime.status().reason == "the package onnxruntime-gpu is not installed"
    monkeypatch.setattr(onnxruntime_cuda, "cuda_package", lambda: "1.32.0")
    monkeypatch.setattr(
        "vmamba_deploy.runtimes.cuda_driver.find_gpus",
        lambda: GpuSearch((), "no NVIDIA driver"),
    )
    assert runtime.status().reason == "no NVIDIA driver"


@pytest.mark.gpu
@pytest.mark.parametrize("cuda_graph", [False, True])
def test_on_a_gpu_it_agrees_with_the_cpu(scan_model, library, cuda_graph):
    if cuda_package() is None:
        pytest.skip("the package onnxruntime-gpu is not installed")
    model = scan_model(scans=2)
    on_cpu = create_session(model, library=library)
    session = OnnxRuntimeCuda(model, library=library, cuda_graph=cuda_graph).open()
    generator = np.random.default_rng()
    # A graph is captured at one of the first calls, and replayed from then on.
    for batch in (1, 1, 1, 4, 4, 4, 1):
        pixels = images(batch, generator)
        (expected,) = on_cpu.run(None, {"pixel_values": pixels})
        np.testing.assert_allclose(session(pixels)["logits"], expected, rtol=1e-4, atol=1e-5)


@pytest.mark.gpu
def test_on_a_gpu_a_replay_gives_equal_bits(scan_model, library):
    if cuda_package() is None:
        pytest.skip("the package onnxruntime-gpu is not installed")
    session = OnnxRuntimeCuda(scan_model(), library=library, cuda_graph=True).open()
    pixels = images(2, np.random.default_rng())
    results = {session(pixels)["logits"].tobytes() for _ in range(5)}
    assert len(results) == 1
