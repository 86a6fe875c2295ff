"""Vim of the golden data, exported and run by ONNX Runtime: what the public code gives."""

from __future__ import annotations

import copy
from functools import partial
from pathlib import Path

import pytest
import torch

from tests.inference.golden_files import exported_once
from tests.vim_golden import ASSUMED, arrays, check_logits, export_golden, loaded
from vmamba_deploy.exporting.onnx_model import OnnxModel
from vmamba_deploy.models.vim.family import VIM
from vmamba_deploy.parity.localise import first_drift, localise
from vmamba_deploy.runtimes.onnxruntime import (
    OnnxRuntimeBody,
    OnnxRuntimeLibrary,
    create_session,
)


@pytest.fixture(params=ASSUMED)
def exported(request: pytest.FixtureRequest, run_folder: Path) -> tuple[str, Path]:
    return request.param, exported_once(run_folder, "vim", request.param, export_golden)


@pytest.mark.parametrize("manner", [OnnxRuntimeBody, OnnxRuntimeLibrary])
def test_in_every_manner(exported, manner):
    name, path = exported
    session = manner(path, threads=1).open()
    try:
        check_logits(session(arrays(name)["input"])["logits"], name)
        one = session(arrays(name)["input"][:1])["logits"]
    finally:
        session.close()
    assert one.shape == (1, 7)
    assert abs(one[0] - arrays(name)["logits"][0]).max() <= 2e-5


def test_where_a_file_drifts_is_found_block_by_block(exported):
    name, path = exported
    reference, model = loaded(name).model, OnnxModel.read(path).ir
    errors = localise(
        reference, model, [arrays(name)["input"]], partial(create_session, threads=1), VIM.layers
    )
    blocks = reference.config.depth
    assert [one.layer for one in errors] == [
        "patch_embed", *(f"layers.{number}" for number in range(blocks))
    ]  # fmt: skip
    assert max(one.nmse for one in errors) < 1e-10
    with torch.inference_mode():
        changed = copy.deepcopy(reference)
        changed.layers[1].mixer.get_parameter("D_b").add_(0.1)
    errors = localise(
        changed, model, [arrays(name)["input"]], partial(create_session, threads=1), VIM.layers
    )
    assert first_drift(errors, 1e-10).layer == "layers.1"


def test_the_graph_has_one_scan_a_block_and_no_flip(exported):
    """In the order of tokens: padding is in the convolutions, the gate is applied once."""
    _, path = exported
    model = OnnxModel.read(path)
    ops = [node.op_type for node in model.ir.graph]
    depth = ops.count("SelectiveScan")
    assert model.nodes_by_op == {"SelectiveScan": depth}
    assert ops.count("Conv") == 1 + 2 * depth
    assert ops.count("MatMul") == 4 * depth
    assert not {"Pad", "Split", "ReverseSequence", "Loop", "Scan"} & set(ops)
    assert {tuple(node.attributes["routes"].as_ints()) for node in model.our_nodes} == {(0, 2)}
