"""A session in its own process: its time, its memory, and what part of it our op takes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from onnx import helper

from benchmarks.dense_networks import BODY, LIBRARY, compare_ways, multiply_adds
from benchmarks.dense_session import shares
from benchmarks.network_ops import record_operations
from benchmarks.op_comparison import Shape, float32_tensors
from vmamba_deploy.models.vmamba.config import VMambaConfig
from vmamba_deploy.models.vmamba.network import empty_network
from vmamba_deploy.ops.onnx_forms import function_body
from vmamba_deploy.ops.selective_scan_2d.specification import SELECTIVE_SCAN_2D as OP

SHAPE = Shape(32, 32, 32, 1, 2)


@pytest.fixture(scope="module")
def scan_and_more(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A scan, and beside it 256 MB that come and go within one call."""
    tensors = float32_tensors(SHAPE)
    inputs = [
        helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, tuple(tensor.shape))
        for name, tensor in zip(OP.input_names, tensors, strict=True)
    ]
    many = helper.make_tensor("many", onnx.TensorProto.INT64, [2], [1 << 13, 1 << 13])
    nodes = [
        helper.make_node(OP.op_type, list(OP.input_names), ["y"], domain=OP.domain, out_dtype=1),
        helper.make_node("ReduceMax", ["y"], ["largest"], keepdims=0),
        helper.make_node("Expand", ["largest", "many"], ["wide"]),
        helper.make_node("ReduceSum", ["wide"], ["sum"], keepdims=0),
    ]
    total = helper.make_tensor_value_info("sum", onnx.TensorProto.FLOAT, ())
    model = helper.make_model(
        helper.make_graph(nodes, "scan", inputs, [total], [many]),
        functions=[function_body(OP, 20, {"N": 1})],
        opset_imports=[helper.make_opsetid("", 20), helper.make_opsetid(OP.domain, OP.version)],
        ir_version=10,
    )
    path = tmp_path_factory.mktemp("scan") / "scan.onnx"
    onnx.save(model, path)
    return path


def test_both_ways_of_one_file(scan_and_more: Path) -> None:
    tensors = dict(zip(OP.input_names, float32_tensors(SHAPE), strict=True))
    feeds = {name: tensor.numpy() for name, tensor in tensors.items()}
    large = np.ones(1 << 27)  # 1 GiB of this process, which is not the session's.
    rows = {row["competitor"]: row for row in compare_ways(scan_and_more, feeds, 1, rounds=2)}
    del large
    assert set(rows) == {LIBRARY, BODY}
    for row in rows.values():
        assert 256 << 20 < row["peak_bytes"] < 1 << 30
        assert 0 < row["ms"]["q25"] <= row["ms"]["median"] <= row["ms"]["q75"]
    ours = rows[LIBRARY]["shares"]
    assert {OP.op_type, "Expand", "ReduceSum"} <= set(ours)
    assert sum(ours.values()) == pytest.approx(1)
    assert rows[BODY]["shares"] == {}


def test_a_session_that_cannot_be_is_told(tmp_path: Path) -> None:
    (tmp_path / "bad.onnx").write_text("no model")
    with pytest.raises((RuntimeError, BrokenPipeError)):
        compare_ways(tmp_path / "bad.onnx", {"x": np.zeros(1)}, 1, rounds=1)


def event(op: str, dur: int, **other: Any) -> dict[str, Any]:
    return {
        "cat": "Node",
        "name": f"n_{op}_kernel_time",
        "dur": dur,
        "args": {"op_name": op},
    } | other


def test_shares_are_those_of_the_kernels() -> None:
    events = [
        event("Conv", 30),
        event("Scan", 60),
        event("Conv", 10),
        event("Conv", 500, name="n_fence_before"),
        event("Conv", 500, cat="Session"),
    ]
    assert list(shares(events).items()) == [("Scan", 0.6), ("Conv", 0.4)]


def test_multiply_adds_are_those_of_the_layers() -> None:
    """Counted by hand: a network with one block a stage, whose maps are 8, 4, 2 and 1 wide."""
    config = VMambaConfig(depths=(1, 1, 1, 1), dims=(16, 32, 64, 128), ssm_ratio=1.0, num_classes=5)
    records = record_operations(empty_network(config), torch.zeros(1, 3, 32, 32))
    scans = sum(
        Shape(8 >> i, 8 >> i, 16 << i, 1, max(1, (16 << i) // 16)).multiply_adds for i in range(4)
    )
    products = sum(record.flops for record in records if record.kind != "scan") / 2
    assert multiply_adds(records) == pytest.approx(products + scans)
