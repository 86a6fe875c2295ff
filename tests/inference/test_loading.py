import json
import os
import shutil

import numpy as np
import onnx
import pytest
import torch

from tests.artifacts.rewriting import rewrite
from tests.artifacts.test_manifest import ENGINE
from vmamba_deploy.artifacts.manifest import read_manifest
from vmamba_deploy.artifacts.rename import exchange
from vmamba_deploy.artifacts.verification import verify
from vmamba_deploy.errors import (
    EnvironmentProblem,
    InputFileError,
    IntegrityError,
    UsageError,
)
from vmamba_deploy.exporting.onnx_model import OnnxModel
from vmamba_deploy.inference import load
from vmamba_deploy.runtimes.base import ModelFiles
from vmamba_deploy.runtimes.cuda_driver import Gpu, GpuSearch, find_gpus
from vmamba_deploy.runtimes.tensorrt.flavour import Flavour


@pytest.fixture
def copied(artifact, tmp_path):
    return shutil.copytree(artifact, tmp_path / "copy")


def test_auto_takes_what_can_run_here(artifact):
    with load(artifact) as model:
        expected = "onnxruntime" if find_gpus().first is None else model.runtime
        assert model.runtime == expected
        assert model.max_batch >= 32
        assert model.labels == tuple("0123456789")


@pytest.mark.parametrize(
    ("engine", "reason"),
    [
        ({"version": "2.0.0.1", "version_compatible": True}, "built by tensorrt_rtx 2.0.0.1"),
        ({"compute_capabilities": ["12.0"]}, "compute capability 12.0, this one has 8.9"),
    ],
)
def test_auto_falls_back_where_the_engine_does_not_fit(copied, monkeypatch, engine, reason):
    """An engine of a later TensorRT-RTX, or for another GPU, on a machine that has both."""
    (copied / "model.engine").write_bytes(b"an engine")
    rewrite(copied, engine=ENGINE | engine)
    gpu = GpuSearch((Gpu(0, "RTX 4090", (8, 9)),), "1 GPU")
    monkeypatch.setattr("vmamba_deploy.runtimes.tensorrt.run.find_gpus", lambda: gpu)
    monkeypatch.setattr(Flavour, "installed", property(lambda self: True))
    monkeypatch.setattr(Flavour, "version", property(lambda self: "1.7.1.116"))
    with pytest.raises(EnvironmentProblem, match=reason):
        load(copied, runtime="rtx")
    with load(copied) as model:
        assert model.runtime.startswith("onnxruntime")


@pytest.mark.skipif(find_gpus().first is not None, reason="this machine has a GPU")
def test_an_engine_without_a_gpu_explains_itself(artifact):
    if not read_manifest(artifact).engine.built:
        pytest.skip("TensorRT-RTX is not installed: no engine was built")
    with pytest.raises(EnvironmentProblem, match="an engine needs an NVIDIA GPU"):
        load(artifact, runtime="rtx")
    with pytest.raises(IntegrityError, match="the engine is for tensorrt_rtx"):
        load(artifact, runtime="trt")


@pytest.mark.gpu
def test_an_engine_gives_the_logits_of_onnxruntime(artifact, images):
    try:
        engine = load(artifact, runtime="rtx", streams=2)
    except EnvironmentProblem as problem:
        pytest.skip(problem.message)
    with engine, load(artifact, runtime="ort") as reference:
        pixels = reference.preprocess(images[:150])
        expected = reference(pixels)
        for _ in range(3):  # the second run of a shape captures its graph, the third replays it
            np.testing.assert_allclose(engine(pixels), expected, rtol=0, atol=1e-3)


def test_without_the_library_the_function_body_runs(copied, artifact, images):
    (copied / "libvmamba_ort.so").unlink()
    rewrite(copied)
    with load(copied, runtime="ort") as body, load(artifact, runtime="ort") as library:
        pixels = body.preprocess(images[:8])
        np.testing.assert_allclose(body(pixels), library(pixels), rtol=0, atol=1e-4)
    with pytest.raises(EnvironmentProblem, match=r"has no libvmamba_ort\.so"):
        load(copied, runtime="ort-cuda")


def test_a_changed_file_is_refused_before_it_is_loaded(copied):
    model = copied / "model.onnx"
    content = bytearray(model.read_bytes())
    weights = max((each.raw_data for each in onnx.load(model).graph.initializer), key=len)
    content[content.index(weights[:64])] ^= 1
    model.write_bytes(content)
    with pytest.raises(IntegrityError, match=r"model\.onnx has sha256"):
        load(copied, runtime="ort")
    load(copied, runtime="ort", verify=False).close()


def test_artefacts_that_failed_their_parity_are_not_loaded(copied):
    rewrite(copied, status="failed", status_reason="parity failed: onnxruntime-body")
    with pytest.raises(IntegrityError, match="marked as failed"):
        load(copied, runtime="ort")


def test_half_types_keep_the_same_classes(digits_artifact, artifact, images):
    with load(artifact, runtime="ort") as reference:
        pixels = reference.preprocess(images[:100])
        expected = reference(pixels).argmax(axis=1)
    for precision in ("fp16", "bf16"):
        with load(digits_artifact(precision), runtime="ort") as model:
            assert (model(pixels).argmax(axis=1) == expected).mean() >= 0.99


def test_mistakes_are_explained(artifact, tmp_path):
    with pytest.raises(UsageError, match="no runtime 'cpu'"):
        load(artifact, runtime="cpu")
    with pytest.raises(UsageError, match="at least 1"):
        load(artifact, streams=0)
    with pytest.raises(InputFileError, match="there is no folder"):
        load(tmp_path / "absent")
    with pytest.raises(IntegrityError, match=r"has no manifest\.json"):
        load(tmp_path)


def test_max_batch_limits_an_execution(artifact, images):
    with load(artifact, runtime="ort", max_batch=5) as model:
        assert model.max_batch == 5
        assert model(model.preprocess(images[:12])).shape == (12, 10)


@pytest.mark.parametrize("times", [1, 1000])
def test_a_folder_that_is_replaced_while_it_is_opened(
    digits_artifact, images, tmp_path, monkeypatch, times
):
    """By another export, after it was verified and before its files are read."""
    folder, other = tmp_path / "folder", tmp_path / "other"
    shutil.copytree(digits_artifact("fp32", engine=False), folder)
    shutil.copytree(digits_artifact("fp16", engine=False), other)
    with load(other, runtime="ort") as model:
        pixels = model.preprocess(images[:2])
        expected = model.outputs(pixels)["logits"]
    left = iter(range(times))

    def verify_and_replace(path):
        verify(path)
        if next(left, None) is not None:
            exchange(folder, other)

    monkeypatch.setattr("vmamba_deploy.runtimes.onnxruntime.verify", verify_and_replace)
    if times > 1:
        with pytest.raises(IntegrityError, match="was replaced 5 times while it was opened"):
            load(folder, runtime="ort")
        return
    with load(folder, runtime="ort") as model:
        assert model.manifest.precision == "fp16"
        np.testing.assert_array_equal(model.outputs(pixels)["logits"], expected)


def test_code_that_anyone_could_change_is_warned_of(copied):
    (copied / "libvmamba_ort.so").chmod(0o666)
    with pytest.warns(UserWarning, match=r"any user .* can change .*libvmamba_ort\.so"):
        load(copied, runtime="ort").close()


@pytest.mark.parametrize("verify", [True, False])
def test_a_library_whose_line_was_dropped_is_refused(copied, verify):
    manifest = json.loads((copied / "manifest.json").read_text())
    del manifest["files"]["libvmamba_ort.so"]
    (copied / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(IntegrityError, match=r"libvmamba_ort\.so lies in .* does not list it"):
        load(copied, runtime="ort", verify=verify)


def test_a_pipe_in_place_of_the_model_is_refused_unhashed(copied):
    (copied / "model.onnx").unlink()
    os.mkfifo(copied / "model.onnx")
    with pytest.raises(IntegrityError, match="is a pipe"):
        load(copied, runtime="ort", verify=False)


def test_code_beside_an_onnx_file_needs_something_that_vouches_for_it(copied):
    onnx_file = OnnxModel.read(copied / "model.onnx")
    library = copied / "libvmamba_ort.so"
    assert ModelFiles(onnx_file, torch.nn.Identity()).library == library
    library.write_bytes(b"changed")
    with pytest.raises(IntegrityError, match=r"libvmamba_ort\.so has 7 bytes"):
        _ = ModelFiles(onnx_file, torch.nn.Identity()).library
    (copied / "manifest.json").unlink()
    assert ModelFiles(onnx_file, torch.nn.Identity()).library is None
    assert ModelFiles(onnx_file, torch.nn.Identity(), written_here=True).library == library
