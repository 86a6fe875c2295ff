"""A network is traced with a free batch, height and width, and no shape depends on data."""

from __future__ import annotations

import logging

import torch
from torch.export import Dim

from tests.models.dense.golden import loaded
from vmamba_deploy.ops.registry import OPS

SIDE = {"min": 64, "max": 4096}


@torch.no_grad()
def test_a_traced_cascade_takes_other_sizes(caplog):
    caplog.set_level(logging.ERROR)  # the tracer tells of every shape
    for op in OPS.values():
        op.register_torch()
    one = loaded("det_cascade_v0")
    network = one.family.cast(one.model, "fp32").eval().requires_grad_(False)
    one.family.freeze(network)
    batch, axes = Dim("batch", min=1), {2: Dim("height", **SIDE), 3: Dim("width", **SIDE)}
    images = [torch.randn(2, 3, 96, 128), torch.randn(3, 3, 160, 96)]
    sizes = [torch.tensor([[90, 100], [96, 128]]), torch.tensor([[160, 96]] * 3)]
    program = torch.export.export(
        network,
        (images[0], sizes[0]),
        dynamic_shapes=({0: batch, **axes}, {0: batch}),
        prefer_deferred_runtime_asserts_over_guards=True,
    )
    inputs = program.graph.find_nodes(op="placeholder")
    symbols = {symbol for node in inputs for symbol in free(node)}
    assert len(symbols) == 3  # batch, height and width
    assert {symbol for node in program.graph.nodes for symbol in free(node)} == symbols
    got, wanted = program.module()(images[1], sizes[1]), network(images[1], sizes[1])
    assert tuple(got) == network.output_names
    for key, value in wanted.items():
        torch.testing.assert_close(got[key], value, rtol=1e-4, atol=1e-3)


def free(node: torch.fx.Node) -> set[object]:
    """The symbols in the shape of what a node gives; data would decide one that no input has."""
    value = node.meta.get("val")
    sides = value.shape if isinstance(value, torch.Tensor) else ()
    symbolic = (side.node.expr for side in sides if isinstance(side, torch.SymInt))
    return {symbol for each in symbolic for symbol in each.free_symbols}
