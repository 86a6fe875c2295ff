"""Adapted networks as ONNX files: our nodes, counted, and what ONNX Runtime makes of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from functools import cache

import numpy as np
import onnx_ir as ir
import pytest
import torch
from torch import Tensor, nn

from tests.adapting.conftest import adapted, fresh
from tests.adapting.dialect import NAMES
from vmamba_deploy import native
from vmamba_deploy.adapting import freeze, unadapted
from vmamba_deploy.exporting.onnx_graph import our_nodes
from vmamba_deploy.exporting.passes import CarryFunctionBodies
from vmamba_deploy.ops.onnx_forms import translation_table
from vmamba_deploy.ops.registry import OPS
from vmamba_deploy.precisions import PRECISIONS
from vmamba_deploy.runtimes.onnxruntime import create_session

NODES = {
    "mamba_ir": {"SelectiveScan2D": 2},
    "mamba_ssm_class": {"SelectiveScan": 3},
    "mamba_vision": {"SelectiveScan": 2},
    "mamba_yolo": {"SelectiveScan2D": 2},
    "swin_umamba": {"SelectiveScan2D": 3},
    "u_mamba": {"SelectiveScan": 2},
    "vanilla_ss2d": {"SelectiveScan2D": 3},
    "vim": {"SelectiveScan": 3},
    "vmamba_v2": {"SelectiveScan2D": 3},
}
_LOOPS = {"Scan", "Loop"}
# The axes of the input that may be free; a window, a class token or a decoder fixes some.
FREE = {"vanilla_ss2d": {0: "batch", 2: "height", 3: "width"}, "mamba_ssm_class": {1: "length"}}


@pytest.fixture(autouse=True)
def _no_gradients() -> Iterator[None]:
    with torch.no_grad():
        yield


def exported(network: nn.Module, example: Tensor, free: dict[int, str] | None = None) -> ir.Model:
    """The network in ONNX, with the definition of every op of ours that it calls."""
    axes = dict.fromkeys(free or {}, torch.export.Dim.DYNAMIC)
    program = torch.onnx.export(
        network,
        (example,),
        dynamo=True,
        opset_version=20,
        dynamic_shapes=(axes,) if axes else None,
        custom_translation_table=translation_table(OPS.values()),
        verbose=False,
    )
    assert program is not None
    CarryFunctionBodies({})(program.model)
    return program.model


@cache
def exported_dialect(name: str) -> ir.Model:
    dialect = adapted(name)
    freeze(dialect.network)
    return exported(dialect.network, dialect.example, FREE.get(name))


def run(model: ir.Model, x: Tensor, *, library: bool) -> np.ndarray:
    path = native.library_path("vmamba_ort") if library else None
    session = create_session(model, library=path)
    (given,) = session.get_inputs()
    (result,) = session.run(None, {given.name: x.numpy()})
    return result


def nmse(y: np.ndarray, expected: Tensor) -> float:
    exact = expected.double().numpy()
    return float(((y - exact) ** 2).sum() / (exact**2).sum())


@pytest.mark.parametrize("name", NAMES)
def test_a_scan_is_one_node_and_nothing_is_unrolled(name: str) -> None:
    model = exported_dialect(name)
    assert Counter(node.op_type for node in our_nodes(model)) == NODES[name]
    assert not _LOOPS & {node.op_type for node in model.graph}
    # The plain scan of the smallest of these networks would take hundreds of nodes.
    assert len(model.graph) < 130


@pytest.mark.parametrize("library", [False, True], ids=["body", "library"])
@pytest.mark.parametrize("name", NAMES)
def test_onnx_runtime_gives_what_the_unadapted_network_gives(name: str, library: bool) -> None:
    dialect = fresh(name)
    x = dialect.another_input(11)
    y = run(exported_dialect(name), x, library=library)
    assert nmse(y, dialect.network(x)) <= PRECISIONS["fp32"].thresholds.nmse


@pytest.mark.parametrize(
    ("name", "shape"), [("vanilla_ss2d", (1, 3, 48, 24)), ("mamba_ssm_class", (2, 29, 16))]
)
def test_free_axes_stay_free(name: str, shape: tuple[int, ...]) -> None:
    x = torch.randn(shape, generator=torch.Generator().manual_seed(4))
    y = run(exported_dialect(name), x, library=True)
    assert nmse(y, fresh(name).network(x)) <= PRECISIONS["fp32"].thresholds.nmse


def test_a_network_that_is_not_frozen_exports_as_well() -> None:
    dialect = adapted("vim")
    model = exported(dialect.network, dialect.example)
    with unadapted():
        expected = dialect.network(dialect.example)
    assert nmse(run(model, dialect.example, library=True), expected) <= 1e-10
