"""A file that computes something else is caught, and the report names where it starts."""

import json
from pathlib import Path

import onnx
import pytest
from onnx import numpy_helper

from vmamba_deploy.errors import ExitCode
from vmamba_deploy.exporting.onnx_model import OnnxModel
from vmamba_deploy.pipeline import export
from vmamba_deploy.pipeline.export import run_export
from vmamba_deploy.pipeline.plan import ExportPlan
from vmamba_deploy.runtimes.tensorrt.plan import EnginePlan

GOLDEN = Path(__file__).parents[1] / "data" / "golden"


def spoil_weight(model, name):
    (tensor,) = (one for one in model.graph.initializer if one.name.endswith(name))
    tensor.CopyFrom(numpy_helper.from_array(1.1 * numpy_helper.to_array(tensor), tensor.name))


def spoil_body(model):
    """Subtract the skip path instead of adding it: the last sum of the body."""
    *_, node = (node for node in model.functions[0].node if node.op_type == "Add")
    node.op_type = "Sub"


@pytest.fixture
def spoiled_export(tmp_path, monkeypatch):
    """Runs an export in which `spoil` changes the ONNX file between its making and its proof."""

    def run(spoil, **options):
        export_onnx = export.export_onnx

        def export_and_spoil(loaded, path, asked, **further):
            export_onnx(loaded, path, asked, **further)
            model = onnx.load(str(path))
            spoil(model)
            onnx.save(model, str(path))
            return OnnxModel.read(path)

        monkeypatch.setattr(export, "export_onnx", export_and_spoil)
        plan = ExportPlan(
            model=None,
            weights=str(GOLDEN / "vssm_s1.pth"),
            output=tmp_path / "out",
            image_size=(32, 32),
            build_engine=False,
            engine=EnginePlan(batches=(1,)),
            **options,
        )
        outcome = run_export(plan, lambda _event: None)
        assert outcome.exit_code == ExitCode.PARITY_FAILED
        assert outcome.folder == tmp_path / "out.failed"
        report = json.loads((tmp_path / "out.failed" / "report.json").read_text())
        return {series["runtime"]: series["first_drift"] for series in report["layers"]}

    return run


@pytest.mark.parametrize("preprocess", [False, True])
def test_a_wrong_weight_is_found_in_its_block(spoiled_export, preprocess):
    drifts = spoiled_export(
        lambda model: spoil_weight(model, "layers.1.blocks.0.op.conv2d.weight"),
        preprocess=preprocess,
    )
    named = "model.layers.1.blocks.0" if preprocess else "layers.1.blocks.0"
    assert drifts == {"onnxruntime-body": named, "onnxruntime-library": named}


def test_a_wrong_function_body_is_found_by_the_runtime_that_uses_it(spoiled_export):
    assert spoiled_export(spoil_body) == {"onnxruntime-body": "layers.0.blocks.0"}
