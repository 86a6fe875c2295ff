"""An exported file that is not what was asked for is refused, whoever changed it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import onnx
import pytest

from vmamba_deploy.errors import BuildError
from vmamba_deploy.exporting.checks import Asked, check_exported
from vmamba_deploy.exporting.onnx_file import export_onnx
from vmamba_deploy.exporting.onnx_model import OnnxModel
from vmamba_deploy.exporting.options import ExportOptions
from vmamba_deploy.tasks import CLASSIFICATION, FEATURES

OPTIONS = ExportOptions(image_size=64)


@pytest.fixture(scope="module")
def asked(small) -> Asked:
    calls = small.family.op_calls(small.model.config, CLASSIFICATION.name)
    return Asked(OPTIONS, CLASSIFICATION, calls, small.model.config.num_classes)


def first_scan(model: onnx.ModelProto) -> onnx.NodeProto:
    return next(node for node in model.graph.node if node.op_type == "SelectiveScan2D")


def fix_batch(model: onnx.ModelProto) -> None:
    for tensor in (*model.graph.input, *model.graph.output):
        tensor.type.tensor_type.shape.dim[0].dim_value = 2
    del model.graph.value_info[:]


def rename_input(model: onnx.ModelProto) -> None:
    model.graph.input[0].name = "images"
    for node in model.graph.node:
        node.input[:] = ["images" if name == "pixel_values" else name for name in node.input]


def halve_output(model: onnx.ModelProto) -> None:
    output = model.graph.output[0]
    for node in model.graph.node:
        node.output[:] = ["whole" if name == output.name else name for name in node.output]
    half = onnx.TensorProto.FLOAT16
    model.graph.node.append(onnx.helper.make_node("Cast", ["whole"], [output.name], to=half))
    output.type.tensor_type.elem_type = half


def probe_output(model: onnx.ModelProto) -> None:
    scan = first_scan(model).output[0]
    model.graph.output.append(next(v for v in model.graph.value_info if v.name == scan))


def raise_op_set(model: onnx.ModelProto) -> None:
    for imports in (model, *model.functions):
        next(each for each in imports.opset_import if not each.domain).version += 1


def lose_scan(model: onnx.ModelProto) -> None:
    node = first_scan(model)
    kept = node.input[0]
    node.op_type, node.domain = "Identity", ""
    del node.input[:], node.attribute[:]
    node.input.append(kept)


def lose_namespace(model: onnx.ModelProto) -> None:
    attributes = first_scan(model).attribute
    kept = [each for each in attributes if each.name != "plugin_namespace"]
    del attributes[:]
    attributes.extend(kept)


def lose_body(model: onnx.ModelProto) -> None:
    del model.functions[:]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (fix_batch, r"\[2,3,64,64\], asked for float32 \[batch,3,64,64\]; output .*\[2,10\]"),
        (rename_input, "inputs are images, asked for pixel_values"),
        (halve_output, r"logits is float16 \[batch,10\], asked for float32"),
        (probe_output, "outputs are logits, .*, asked for logits"),
        (raise_op_set, "'ai.onnx': 21.*, asked for .*'ai.onnx': 20"),
        (lose_scan, "has 4 nodes vmamba::SelectiveScan2D, expected 5"),
        (lose_namespace, "lacks an attribute that its plugin needs"),
        (lose_body, "checker|lacks the function body of vmamba::SelectiveScan2D"),
    ],
)
def test_a_file_that_differs_is_refused(
    small, exported, asked, tmp_path, change: Callable[[onnx.ModelProto], None], words: str
):
    path = tmp_path / "model.onnx"
    model = onnx.load(exported(small))
    onnx.save(model, path)
    check_exported(OnnxModel.read(path), asked)
    change(model)
    onnx.save(model, path)
    with pytest.raises(BuildError, match=words):
        check_exported(OnnxModel.read(path), asked)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"options": replace(OPTIONS, dynamic_size=True)}, r"\[batch,3,height,width\]"),
        ({"options": replace(OPTIONS, dynamic_batch=False)}, r"\[1,3,64,64\]"),
        ({"options": replace(OPTIONS, preprocess=True)}, r"asked for uint8 \[batch,64,64,3\]"),
        ({"options": replace(OPTIONS, opset=22)}, "'ai.onnx': 22"),
        ({"classes": 11}, r"asked for float32 \[batch,11\]"),
        ({"task": FEATURES}, "outputs are logits, asked for feature0, feature1"),
    ],
)
def test_a_file_for_another_request_is_refused(small, exported, asked, change, words):
    with pytest.raises(BuildError, match=words):
        check_exported(OnnxModel.read(exported(small)), replace(asked, **change))


def test_an_exporter_that_fixes_a_free_side_leaves_nothing(small, tmp_path, monkeypatch):
    """PyTorch does so with an example whose last map is 1 x 1, and says nothing."""
    for module in ("options", "trace"):
        monkeypatch.setattr(f"vmamba_deploy.exporting.{module}.LEAST_SIDE", 32)
    with pytest.raises(BuildError, match=r"\[batch,3,32,32\], asked for .*\[batch,3,height,width"):
        export_onnx(small, tmp_path / "model.onnx", ExportOptions(image_size=32, dynamic_size=True))
    assert list(tmp_path.iterdir()) == []


def test_sides_of_32_stay_free(backbone, tmp_path):
    options = ExportOptions(image_size=(32, 96), dynamic_size=True)
    model = export_onnx(backbone, tmp_path / "model.onnx", options)
    assert model.inputs[0].shape == ("batch", 3, "height", "width")
    assert model.image_size() == (32, 96)
