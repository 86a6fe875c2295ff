"""One exported file in ONNX Runtime, with the function body and with our library."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import onnx.parser
import onnx_ir as ir
import pytest
import torch

from vmamba_deploy import native
from vmamba_deploy.errors import EnvironmentProblem, InputFileError, VmambaError
from vmamba_deploy.exporting.onnx_file import export_onnx
from vmamba_deploy.exporting.onnx_model import OnnxModel
from vmamba_deploy.exporting.options import ExportOptions
from vmamba_deploy.exporting.quantize import GRIDS, QuantizeLayers
from vmamba_deploy.models import load_weights
from vmamba_deploy.runtimes.onnxruntime import (
    OnnxRuntimeBody,
    OnnxRuntimeLibrary,
    create_session,
)
from vmamba_deploy.runtimes.pytorch import PyTorchRuntime

GOLDEN = Path(__file__).parents[1] / "data" / "golden"
SIZE = 64


@pytest.fixture(scope="module")
def loaded():
    return load_weights(str(GOLDEN / "vssm_v0.pth"))


@pytest.fixture(scope="module", params=["fp32", "fp16", "bf16"])
def exported(request, loaded, tmp_path_factory):
    path = tmp_path_factory.mktemp(request.param) / "model.onnx"
    export_onnx(loaded, path, ExportOptions(precision=request.param, image_size=SIZE))
    return request.param, path


def images(batch: int) -> np.ndarray:
    return np.random.default_rng(batch).normal(size=(batch, 3, SIZE, SIZE)).astype(np.float32)


def test_body_and_library_agree_with_pytorch_on_one_file(exported, loaded):
    precision, path = exported
    limit = {"fp32": 1e-11, "fp16": 1e-5, "bf16": 1e-3}[precision]
    reference = PyTorchRuntime(loaded.model).open()
    for runtime in (OnnxRuntimeBody(path), OnnxRuntimeLibrary(path)):
        assert runtime.status().available, runtime.status().reason
        session = runtime.open()
        for batch in (1, 3):
            expected = reference(images(batch))["logits"]
            logits = session(images(batch))["logits"]
            assert logits.dtype == np.float32
            assert logits.shape == expected.shape
            assert np.sum((logits - expected) ** 2) <= limit * np.sum(expected**2)
        session.close()


def test_a_library_that_does_not_load_is_told(tmp_path):
    library = tmp_path / "libvmamba_ort.so"
    library.write_bytes(b"no library")
    with pytest.raises(EnvironmentProblem, match=r"libvmamba_ort\.so cannot be loaded: it is not"):
        create_session(tmp_path / "model.onnx", library=library)


def test_the_library_runs_the_kernel_and_stock_the_body(exported, tmp_path):
    _, path = exported
    model = onnx.load(path)
    merge = next(node for node in model.functions[0].node if node.input[:1] == ["y_whole"])
    merge.input[0] = "y_routes"  # the body forgets the skip: only it is wrong
    broken = tmp_path / "broken.onnx"
    onnx.save(model, broken)
    feed = {"pixel_values": images(1)}
    library = native.library_path("vmamba_ort")
    good = create_session(path, library=library).run(None, feed)[0]
    assert np.array_equal(create_session(broken, library=library).run(None, feed)[0], good)
    assert not np.allclose(create_session(broken).run(None, feed)[0], good, atol=1e-2)


def test_equal_bits_on_a_second_run(exported):
    _, path = exported
    session = create_session(path, library=native.library_path("vmamba_ort"))
    first, second = (session.run(None, {"pixel_values": images(2)})[0] for _ in range(2))
    assert np.array_equal(first, second)


@pytest.mark.parametrize(
    "content", [b"", b"not a model", b"\x08\x0a" + bytes(64)], ids=["empty", "text", "zeros"]
)
def test_a_file_that_is_no_model_gives_one_clear_error(tmp_path, content):
    path = tmp_path / "bad.onnx"
    path.write_bytes(content)
    with pytest.raises(InputFileError, match=r"bad\.onnx"):
        create_session(path)


def test_a_missing_file_gives_one_clear_error(tmp_path):
    with pytest.raises(InputFileError, match=r"missing\.onnx"):
        create_session(tmp_path / "missing.onnx")


def test_a_closed_session_says_so(exported):
    _, path = exported
    session = OnnxRuntimeBody(path).open()
    session.close()
    with pytest.raises(VmambaError, match="closed"):
        session(images(1))


def test_a_pytorch_session_leaves_no_graph_behind(loaded):
    logits = PyTorchRuntime(loaded.model).open()(images(1))["logits"]
    assert not torch.from_numpy(logits).requires_grad


FLAT = """<ir_version: 10, opset_import: ["": 20]>
    g (float[batch, 32] x) => (float[batch, 16] y) {
        p = MatMul(x, fc_weight)
        q = Add(p, bias)
        y = Relu(q)
    }"""


@pytest.fixture
def quantized_flat(tmp_path):
    """A quantized layer whose input has two axes, so that MatMul and Add could become a Gemm."""
    rng = np.random.default_rng()
    proto = onnx.parser.parse_model(FLAT)
    for name, shape in (("fc_weight", (32, 16)), ("bias", (16,))):
        values = rng.standard_normal(shape).astype(np.float32)
        proto.graph.initializer.append(onnx.numpy_helper.from_array(values, name))
    model = ir.serde.deserialize_model(onnx.shape_inference.infer_shapes(proto))
    QuantizeLayers(GRIDS["int8"], {"fc": 4.0})(model)
    path = tmp_path / "flat.onnx"
    onnx.save_model(ir.to_proto(model), str(path))
    return path, model


def ops_of(model, tmp_path, **options):
    written = tmp_path / "optimized.onnx"
    create_session(model, optimized_file=written, **options)
    return [node.op_type for node in onnx.load(str(written)).graph.node]


@pytest.mark.parametrize("form", ["path", "read", "graph", "serving"])
def test_a_layer_between_two_axes_multiplies_integers(quantized_flat, tmp_path, form):
    path, graph = quantized_flat
    model = {"read": OnnxModel.read(path), "graph": graph}.get(form, path)
    options = {"precision": "int8"} if form == "serving" else {}
    assert "MatMulIntegerToFloat" in ops_of(model, tmp_path, **options)


def test_else_it_would_multiply_in_float(quantized_flat, tmp_path):
    """What the option is for: once this fails, it can go."""
    ops = ops_of(quantized_flat[0], tmp_path, precision="fp32")
    assert "MatMulIntegerToFloat" not in ops
    assert any("Gemm" in op for op in ops)
