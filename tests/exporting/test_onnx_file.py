"""The exported file: what it holds, and that it computes what the module computes."""

from __future__ import annotations

import copy
import json
import shutil
from dataclasses import replace

import numpy as np
import onnx
import onnxruntime as ort
import pytest
import torch

from vmamba_deploy.errors import UsageError
from vmamba_deploy.exporting.onnx_file import deployable_module, export_onnx
from vmamba_deploy.exporting.onnx_graph import module_scopes
from vmamba_deploy.exporting.onnx_model import OnnxModel
from vmamba_deploy.exporting.options import ExportOptions
from vmamba_deploy.models import load_weights
from vmamba_deploy.ops.registry import OPS
from vmamba_deploy.ops.selective_scan_2d.specification import SELECTIVE_SCAN_2D
from vmamba_deploy.precisions import PRECISIONS
from vmamba_deploy.runtimes.onnxruntime import create_session

SMALL = ExportOptions(image_size=64)


def scan_nodes(model: onnx.ModelProto) -> list[onnx.NodeProto]:
    return [node for node in model.graph.node if node.op_type == "SelectiveScan2D"]


def run(path, images: np.ndarray) -> np.ndarray:
    return create_session(path).run(None, {"pixel_values": images})[0]


def images(batch: int, height: int, width: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(batch, 3, height, width)).astype(np.float32)


@pytest.mark.slow
def test_every_family_computes_what_the_module_computes_at_any_batch(golden, exported):
    path = exported(golden, dynamic_size=True)
    for batch in (1, 2, 5):
        pixel_values = images(batch, 64, 64, seed=batch)
        expected = golden.model(torch.from_numpy(pixel_values)).detach().numpy()
        np.testing.assert_allclose(run(path, pixel_values), expected, atol=2e-5, rtol=1e-4)


@pytest.mark.parametrize("size", [(32, 32), (64, 96), (75, 50), (33, 101)])
def test_dynamic_size_takes_odd_and_unequal_sides(golden, exported, size):
    path = exported(golden, dynamic_size=True)
    pixel_values = images(2, *size)
    expected = golden.model(torch.from_numpy(pixel_values)).detach().numpy()
    np.testing.assert_allclose(run(path, pixel_values), expected, atol=2e-5, rtol=1e-4)


@pytest.mark.parametrize("precision", ["fp16", "bf16"])
def test_half_precision_is_in_the_graph_and_stays_close(small, exported, precision):
    path = exported(small, precision=precision)
    kinds = {tensor.data_type for tensor in onnx.load(path).graph.initializer}
    half = onnx.TensorProto.FLOAT16 if precision == "fp16" else onnx.TensorProto.BFLOAT16
    assert half in kinds
    pixel_values = images(2, 64, 64)
    expected = small.model(torch.from_numpy(pixel_values)).detach().numpy()
    error = np.sum((run(path, pixel_values) - expected) ** 2) / np.sum(expected**2)
    assert 0 < error < (1e-5 if precision == "fp16" else 1e-3)


def test_head_norms_and_scan_parameters_stay_float32(small, exported):
    model = onnx.load(exported(small, precision="fp16"))
    types = {tensor.name: tensor.data_type for tensor in model.graph.initializer}
    for node in model.graph.node:
        if node.op_type == "LayerNormalization":
            assert types[node.input[1]] == onnx.TensorProto.FLOAT
    for node in scan_nodes(model):
        assert {types[name] for name in node.input[2:]} == {onnx.TensorProto.FLOAT}
        assert {a.name: a.i for a in node.attribute}["out_dtype"] == onnx.TensorProto.FLOAT
    assert types["classifier.head.weight"] == onnx.TensorProto.FLOAT


def test_preprocessing_in_the_graph_equals_preprocessing_outside(small, exported):
    plain, baked = exported(small), exported(small, preprocess=True)
    pixels = np.random.default_rng(5).integers(0, 256, (3, 64, 64, 3), dtype=np.uint8)
    facts = json.loads(OnnxModel.read(baked).metadata["preprocessing"])
    normalised = (pixels / np.float32(255) - np.float32(facts["mean"])) / np.float32(facts["std"])
    nchw = np.ascontiguousarray(normalised.transpose(0, 3, 1, 2), dtype=np.float32)
    np.testing.assert_allclose(run(baked, pixels), run(plain, nchw), atol=1e-5, rtol=1e-4)
    assert facts["normalisation_in_graph"]
    assert facts["layout"] == "NHWC uint8 RGB"


def test_names_axes_and_metadata(small, tmp_path):
    path = tmp_path / "model.onnx"
    named = replace(small, model=copy.copy(small.model))
    named.model.class_labels = tuple(f"class {i}" for i in range(10))
    exported = export_onnx(named, path, SMALL)
    model = onnx.load(path)
    (image,), (logits,) = model.graph.input, model.graph.output
    assert (image.name, logits.name) == ("pixel_values", "logits")
    batch, *rest = image.type.tensor_type.shape.dim
    assert batch.dim_param == "batch"
    assert [dim.dim_value for dim in rest] == [3, 64, 64]
    metadata = OnnxModel.read(path).metadata
    assert metadata == exported.metadata
    assert metadata["weights_sha256"] == small.sha256
    assert json.loads(metadata["opsets"]) == {"ai.onnx": 20, "vmamba": 1}
    assert json.loads(metadata["labels"])[3] == "class 3"
    assert {"torch", "onnx", "vmamba_deploy"} <= set(json.loads(metadata["tool_versions"]))


def test_a_static_batch_is_fixed_in_the_file(small, tmp_path):
    path = tmp_path / "model.onnx"
    export_onnx(small, path, replace(SMALL, dynamic_batch=False))
    shape = onnx.load(path).graph.input[0].type.tensor_type.shape
    assert [dim.dim_value for dim in shape.dim] == [1, 3, 64, 64]


def test_the_file_names_modules_but_nothing_of_the_exporting_machine(small, exported):
    path = exported(small)
    assert b"site-packages" not in path.read_bytes()
    assert __file__.encode() not in path.read_bytes()
    model = onnx.load(path)
    weights = {tensor.name for tensor in model.graph.initializer}
    assert "layers.1.blocks.0.op.x_proj_weight_transposed" in weights
    assert "layers.1.blocks.0.mlp.fc1.weight_transposed" in weights
    paths = {module_scopes(node)[-1] for node in OnnxModel.read(path).ir.graph}
    assert {"patch_embed.0", "layers.2.blocks.1.op", "classifier.head"} & paths


def test_one_file_serves_with_and_without_a_body(small, exported):
    model = onnx.load(exported(small))
    assert len(scan_nodes(model)) == sum(small.model.config.depths)
    assert len(model.functions) == 1
    del model.functions[:]
    with pytest.raises(ort.capi.onnxruntime_pybind11_state.Fail, match="SelectiveScan2D"):
        ort.InferenceSession(model.SerializeToString())


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_an_inlined_file_has_standard_ops_alone_and_computes_the_same(small, exported, precision):
    path = exported(small, inline=True, precision=precision)
    model = onnx.load(path)
    assert [(each.domain, each.version) for each in model.opset_import] == [
        ("", PRECISIONS[precision].min_opset)
    ]
    assert not model.functions
    assert {node.domain for node in model.graph.node} == {""}
    assert json.loads(OnnxModel.read(path).metadata["opsets"]).keys() == {"ai.onnx"}
    pixel_values = images(2, 64, 64)
    np.testing.assert_array_equal(
        run(path, pixel_values), run(exported(small, precision=precision), pixel_values)
    )


def test_openvino_runs_an_inlined_file(small, exported):
    openvino = pytest.importorskip("openvino", reason="the package openvino is not installed")
    pixel_values = images(2, 64, 64)
    # By itself it computes in bfloat16 on a CPU that has it.
    exact = {"INFERENCE_PRECISION_HINT": "f32"}
    compiled = openvino.Core().compile_model(str(exported(small, inline=True)), "CPU", exact)
    expected = small.model(torch.from_numpy(pixel_values)).detach().numpy()
    np.testing.assert_allclose(compiled(pixel_values)[0], expected, atol=2e-5, rtol=1e-4)


def test_equal_weights_by_two_paths_give_equal_bytes(small, exported, golden_folder, tmp_path):
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        shutil.copy(golden_folder / "vssm_s1.pth", tmp_path / folder)
        loaded = load_weights(str(tmp_path / folder / "vssm_s1.pth"))
        export_onnx(loaded, tmp_path / f"{folder}.onnx", SMALL)
    assert (tmp_path / "a.onnx").read_bytes() == (tmp_path / "b.onnx").read_bytes()
    assert OnnxModel.read(tmp_path / "a.onnx").metadata["weights_source"] == "vssm_s1.pth"


def test_large_weights_go_beside_the_file(small, tmp_path):
    path = tmp_path / "model.onnx"
    export_onnx(small, path, replace(SMALL, external_data_bytes=10_000))
    assert (tmp_path / "model.onnx.data").stat().st_size > path.stat().st_size
    pixel_values = images(1, 64, 64)
    expected = small.model(torch.from_numpy(pixel_values)).detach().numpy()
    np.testing.assert_allclose(run(path, pixel_values), expected, atol=2e-5, rtol=1e-4)


def test_two_exports_are_the_same_bytes(small, exported, tmp_path):
    again = tmp_path / "again.onnx"
    export_onnx(small, again, SMALL)
    assert again.read_bytes() == exported(small).read_bytes()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"precision": "int4"}, "fp32, fp16, bf16, int8 or fp8"),
        ({"opset": 19}, "opset 20"),
        ({"precision": "bf16", "opset": 21}, "opset 22"),
    ],
)
def test_bad_options_are_named(change, message):
    with pytest.raises(UsageError, match=message):
        ExportOptions(**change)


@pytest.mark.parametrize("size", [31, (224, 16)])
def test_an_image_that_is_too_small_for_the_network(small, size):
    with pytest.raises(UsageError, match="at least 32"):
        deployable_module(small, replace(SMALL, image_size=size))


def test_deployable_module_leaves_the_loaded_model_alone(small):
    before = {name: tensor.dtype for name, tensor in small.model.state_dict().items()}
    module = deployable_module(small, replace(SMALL, precision="bf16"))
    assert {name: tensor.dtype for name, tensor in small.model.state_dict().items()} == before
    (scan,) = small.family.op_calls(small.model.config, "classification")
    assert (scan.count, scan.sizes) == (5, {"N": 1})
    assert not module.training


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"precision": "bf16"}, "bf16 cannot be had for the task .*, which needs opset 22: .* 21"),
        ({"opset": 23}, "opset 23 cannot be had .* up to opset 21"),
    ],
)
def test_an_op_set_without_a_body_is_refused(small, tmp_path, monkeypatch, options, words):
    bounded = replace(SELECTIVE_SCAN_2D, body_max_opset=21)
    monkeypatch.setitem(OPS, SELECTIVE_SCAN_2D.key, bounded)
    with pytest.raises(UsageError, match=words) as refused:
        export_onnx(small, tmp_path / "m.onnx", ExportOptions(image_size=64, **options))
    assert "fp32 or fp16" in refused.value.hint
    assert list(tmp_path.iterdir()) == []
