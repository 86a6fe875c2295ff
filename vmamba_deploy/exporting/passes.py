"""Rewrites of an ONNX graph, each a pass of onnx_ir named by its effect.

A pass tells whether it changed anything (`PassResult.modified`). Those that look for nodes look
into functions and subgraphs too.
"""

from __future__ import annotations

from collections.abc import Mapping

import onnx_ir as ir
from onnx_ir.passes import InPlacePass, PassResult
from onnx_ir.passes.common import InlinePass, RemoveUnusedOpsetsPass, ShapeInferencePass

import vmamba_deploy
from vmamba_deploy.exporting.onnx_graph import module_scopes, our_nodes, scopes
from vmamba_deploy.ops.onnx_forms import function_body
from vmamba_deploy.ops.registry import OPS

# What the exporter writes about the source code: paths of the exporting machine among it.
_SOURCE_TRACES = {"pkg.torch.onnx.stack_trace", "pkg.torch.onnx.fx_node", "namespace"}
# These run on bfloat16 as they are: they move or convert bits, or hold graphs that are widened.
_MOVES_BITS = {
    *("Cast", "Constant", "Identity", "Reshape", "Shape", "Squeeze", "Transpose", "Unsqueeze"),
    *("If", "Loop", "Scan"),
}


class DropSourceTraces(InPlacePass):
    """Remove stack traces of the exporting machine; the module path of each node stays."""

    def call(self, model: ir.Model) -> PassResult:
        """Change `model`."""
        modified = False
        for scope in scopes(model):
            values = [*scope.inputs, *(value for node in scope for value in node.outputs)]
            if isinstance(scope, ir.Graph):
                values += scope.initializers.values()
            weights = [value.const_value for value in values if value.const_value is not None]
            for holder in (scope, *scope, *values, *weights):
                for key in _SOURCE_TRACES & holder.metadata_props.keys():
                    del holder.metadata_props[key]
                    modified = True
        return PassResult(model, modified)


class NameLinearWeights(InPlacePass):
    """Give the folded, transposed weight of each MatMul its module's path instead of `val_123`.

    Refitting tools and people look weights up by name.
    """

    def call(self, model: ir.Model) -> PassResult:
        """Change `model`."""
        modified = False
        for node in (node for scope in scopes(model) for node in scope):
            weight = node.inputs[1] if node.op_type == "MatMul" else None
            if weight is None or weight.graph is None or not weight.is_initializer():
                continue
            path = (module_scopes(node) or [""])[-1]
            # SS2D's own product is x_proj; every other one belongs to a Linear.
            weight_name = "x_proj_weight" if path.endswith(".op") else "weight"
            name = f"{path}.{weight_name}_transposed"
            if path and len(weight.uses()) == 1 and name not in weight.graph.initializers:
                weight.name = name
                modified = True
        return PassResult(model, modified)


class CarryFunctionBodies(InPlacePass):
    """Add the definition in standard ops of each op of ours that the file calls and lacks.

    So any ONNX runtime can run the file.

    Args:
        sizes: by op, those that are the same in every node, as `function_body` takes them.
    """

    def __init__(self, sizes: Mapping[tuple[str, str], Mapping[str, int]]) -> None:
        super().__init__()
        self._sizes = sizes

    def call(self, model: ir.Model) -> PassResult:
        """Change `model`."""
        called = {(node.domain, node.op_type) for node in our_nodes(model)}
        lacking = sorted(called - {identifier[:2] for identifier in model.functions})
        for key in lacking:
            body = function_body(OPS[key], model.opset_imports[""], self._sizes.get(key))
            function = ir.serde.deserialize_function(body)
            model.functions[function.identifier()] = function
        return PassResult(model, bool(lacking))


class InlineFunctions(InPlacePass):
    """Put the body of every function in place of its calls, for runtimes that do not expand them.

    The nodes of a body keep the module path of the call.
    """

    def call(self, model: ir.Model) -> PassResult:
        """Change `model`."""
        if not model.functions:
            return PassResult(model, False)
        InlinePass()(model)
        RemoveUnusedOpsetsPass()(model)
        return PassResult(model, True)


class WriteMetadata(InPlacePass):
    """Replace what the file says of itself: sorted, so that equal exports are equal bytes.

    Args:
        metadata: of `model_metadata`; its preset becomes the graph's name.
    """

    def __init__(self, metadata: Mapping[str, str]) -> None:
        super().__init__()
        self._metadata = dict(sorted(metadata.items()))

    def call(self, model: ir.Model) -> PassResult:
        """Change `model`."""
        producer = "vmamba_deploy", vmamba_deploy.__version__
        wanted = self._metadata, *producer, self._metadata["preset"]
        had = model.metadata_props, model.producer_name, model.producer_version, model.graph.name
        modified = wanted != had
        model.metadata_props.clear()
        model.metadata_props.update(self._metadata)
        model.producer_name, model.producer_version = producer
        model.graph.name = self._metadata["preset"]
        return PassResult(model, modified)


class ProbeOutputs(InPlacePass):
    """Make values of the main graph its outputs, as float32.

    ONNX Runtime's Python interface has no bfloat16 arrays.

    Args:
        probes: the new output's name by the value's name.
    """

    def __init__(self, probes: Mapping[str, str]) -> None:
        super().__init__()
        self._probes = probes

    def call(self, model: ir.Model) -> PassResult:
        """Change `model`."""
        values = ir.convenience.create_value_mapping(model.graph)
        for name, probe in self._probes.items():
            output = ir.Value(name=probe, type=ir.TensorType(ir.DataType.FLOAT))
            model.graph.append(_cast(values[name], output))
            model.graph.outputs.append(output)
        return PassResult(model, bool(self._probes))


class WidenBfloat16(InPlacePass):
    """Let every op on bfloat16 read float32, and round its result to bfloat16.

    ONNX Runtime's CPU provider has no bfloat16 arithmetic. It widens float16 ops by itself; a
    bfloat16 graph it refuses. So the numbers become those of bfloat16 storage with float32
    accumulation, as on a GPU's tensor cores. Ops of ours stay: their kernels and bodies take
    bfloat16. Other functions are put in place of their calls, as their types come from there.
    """

    def call(self, model: ir.Model) -> PassResult:
        """Change `model`."""
        if not _holds_bfloat16(model):
            return PassResult(model, False)
        InlinePass(criteria=lambda function: function.identifier()[:2] not in OPS)(model)
        ShapeInferencePass(check_type=False, strict_mode=False, data_prop=False)(model)
        wide: dict[ir.Value, ir.Value] = {}
        modified = False
        for graph in tuple(model.graphs()):
            for node in tuple(graph):
                if node.op_type not in _MOVES_BITS and (node.domain, node.op_type) not in OPS:
                    modified |= _widen(graph, node, wide)
        return PassResult(model, modified)


def _holds_bfloat16(model: ir.Model) -> bool:
    for scope in scopes(model):
        if isinstance(scope, ir.Graph) and any(map(_is_narrow, scope.initializers.values())):
            return True
        casts = (node.attributes.get("to") for node in scope if node.op_type == "Cast")
        if any(to is not None and to.value == ir.DataType.BFLOAT16 for to in casts):
            return True
    return False


def _widen(graph: ir.Graph, node: ir.Node, wide: dict[ir.Value, ir.Value]) -> bool:
    """Put casts around a node; `wide` has the float32 form of each value that was needed so far."""
    inputs = [i for i, value in enumerate(node.inputs) if value is not None and _is_narrow(value)]
    outputs = [value for value in node.outputs if _is_narrow(value)]
    for index in inputs:
        value = node.inputs[index]
        assert value is not None
        if value not in wide:
            wide[value] = _widened_at_definition(value)
        node.replace_input_with(index, wide[value])
    for value in outputs:
        narrow = ir.TensorType(ir.DataType.BFLOAT16)
        rounded = ir.Value(name=value.name, type=narrow, shape=value.shape)
        ir.convenience.replace_all_uses_with(value, rounded, replace_graph_outputs=True)
        # A new type: a copy of a model shares its types with the model.
        value.name, value.type = f"{value.name}__wide", ir.TensorType(ir.DataType.FLOAT)
        graph.insert_after(node, _cast(value, rounded))
    return bool(inputs or outputs)


def _widened_at_definition(value: ir.Value) -> ir.Value:
    """Its float32 form, made where the value is, so that every scope that reads one sees both."""
    wide = ir.Value(
        name=f"{value.name}__float32", type=ir.TensorType(ir.DataType.FLOAT), shape=value.shape
    )
    cast, producer, graph = _cast(value, wide), value.producer(), value.graph
    assert graph is not None
    if producer is None:
        graph.insert_before(graph[0], cast)
    else:
        graph.insert_after(producer, cast)
    return wide


def _is_narrow(value: ir.Value) -> bool:
    return value.dtype == ir.DataType.BFLOAT16


def _cast(source: ir.Value, target: ir.Value) -> ir.Node:
    assert target.dtype is not None
    attributes = {"to": int(target.dtype)}
    return ir.node("Cast", [source], attributes, outputs=[target], name=f"cast_{target.name}")


def serialised(model: ir.Model) -> bytes:
    """The model as one message, with the weights that lie in other files."""
    return bytes(ir.to_proto(ir.external_data.load_to_model(model)).SerializeToString())
