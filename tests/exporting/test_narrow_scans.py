"""Scans that write float16: the same graph but for a rounding of each scan's result."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir
import pytest

from tests.digits import digits_of
from vmamba_deploy import native
from vmamba_deploy.exporting.narrow_scans import NarrowScans, wide_scans
from vmamba_deploy.exporting.onnx_model import OnnxModel
from vmamba_deploy.exporting.passes import ProbeOutputs
from vmamba_deploy.runtimes.onnxruntime import CUSTOM_OP_LIBRARY, create_session


@pytest.fixture(scope="module")
def wide(digits_artifact) -> OnnxModel:
    return OnnxModel.read(digits_artifact("fp16") / "model.onnx")


def narrow(model: OnnxModel) -> ir.Model:
    return NarrowScans()(model.ir.clone()).model


def test_every_scan_writes_float16_and_what_follows_reads_float32(wide) -> None:
    model, before = narrow(wide), wide_scans(wide.ir)
    scans = [node for node in model.graph if node.domain == "vmamba"]
    assert len(before) == len(scans) == 4
    for old, new in zip(before, scans, strict=True):
        assert new.attributes["out_dtype"].as_int() == ir.DataType.FLOAT16
        assert new.outputs[0].dtype is ir.DataType.FLOAT16
        assert old.outputs[0].dtype is ir.DataType.FLOAT, "the model before was changed"
        ((cast, _),) = new.outputs[0].uses()
        assert cast.op_type == "Cast"
        assert cast.outputs[0].name == old.outputs[0].name
        assert [use.node.op_type for use in cast.outputs[0].uses()] == [
            use.node.op_type for use in old.outputs[0].uses()
        ]


def test_a_second_time_changes_nothing(wide) -> None:
    assert not NarrowScans()(narrow(wide)).modified


def test_float32_networks_stay(digits_artifact) -> None:
    model = OnnxModel.read(digits_artifact() / "model.onnx")
    assert model.our_nodes
    assert not NarrowScans()(model.ir).modified


@pytest.mark.parametrize("kernels", [True, False], ids=["kernels", "body"])
def test_the_first_result_is_rounded_and_no_more(wide, kernels) -> None:
    library = native.library_path(CUSTOM_OP_LIBRARY) if kernels else None
    name = wide_scans(wide.ir)[0].outputs[0].name
    pixels = digits_of().pixel_values()[:16]
    logits, results = [], []
    for model in (wide.ir.clone(), narrow(wide)):
        probed = ProbeOutputs({name: "probe"})(model).model
        session = create_session(probed, library=library)
        answer, result = session.run(["logits", "probe"], {"pixel_values": pixels})
        logits.append(answer.astype(np.float64))
        results.append(result)
    np.testing.assert_array_equal(results[1], results[0].astype(np.float16).astype(np.float32))
    assert not np.array_equal(*results)
    error = logits[1] - logits[0]
    assert 0 < np.mean(error**2) / np.mean(logits[0] ** 2) < 1e-5
