"""A pass that lets scans write their result in half precision: half of the bytes of y.

A scan of float16 inputs writes float32, for nothing bounds its result. Where what it becomes is
known to fit, float16 loses nothing that the next product would keep: the attribute `out_dtype`
says so, and a Cast gives what follows float32 as before, which TensorRT makes part of that.
"""

from __future__ import annotations

import onnx_ir as ir
from onnx_ir.passes import InPlacePass, PassResult

from vmamba_deploy.ops.selective_scan.specification import SELECTIVE_SCAN
from vmamba_deploy.ops.selective_scan_2d.specification import SELECTIVE_SCAN_2D

_SCANS = {SELECTIVE_SCAN.key, SELECTIVE_SCAN_2D.key}


def wide_scans(model: ir.Model) -> list[ir.Node]:
    """The scans of the main graph that read float16 and write float32."""
    return [node for node in model.graph if _is_wide(node)]


class NarrowScans(InPlacePass):
    """Let every scan that reads float16 write it too, with a Cast to float32 behind it."""

    def call(self, model: ir.Model) -> PassResult:
        """Change `model`."""
        nodes = wide_scans(model)
        for node in nodes:
            _narrow(model.graph, node)
        return PassResult(model, bool(nodes))


def _is_wide(node: ir.Node) -> bool:
    if (node.domain, node.op_type) not in _SCANS:
        return False
    x, (y,) = node.inputs[0], node.outputs
    assert x is not None
    return x.dtype is ir.DataType.FLOAT16 and y.dtype is ir.DataType.FLOAT


def _narrow(graph: ir.Graph, node: ir.Node) -> None:
    (y,) = node.outputs
    # The whole value keeps its name, by which people and tools know it.
    whole = ir.Value(name=y.name, type=ir.TensorType(ir.DataType.FLOAT), shape=y.shape)
    ir.convenience.replace_all_uses_with(y, whole, replace_graph_outputs=True)
    y.name, y.type = f"{whole.name}_narrow", ir.TensorType(ir.DataType.FLOAT16)
    node.attributes["out_dtype"] = ir.AttrInt64("out_dtype", int(ir.DataType.FLOAT16))
    cast = ir.node("Cast", [y], {"to": int(ir.DataType.FLOAT)}, outputs=[whole])
    cast.name = f"Cast_{whole.name}"
    graph.insert_after(node, cast)
