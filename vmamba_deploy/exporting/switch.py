"""A pass that makes the 8-bit form of each layer a choice of every run.

So one session tells what any set of layers costs, and the weights are loaded once.
"""

from __future__ import annotations

from collections.abc import Mapping

import onnx_ir as ir
from onnx_ir.passes import InPlacePass, PassResult

from vmamba_deploy.exporting.layers import quantizable_layers
from vmamba_deploy.exporting.quantize import Grid, QuantizeLayers

CHOSEN = "chosen__"
"""The further input, bool [layers]: which of them are quantized."""


class SwitchLayers(InPlacePass):
    """Put an If around each layer that is named, with the branches as quantized and as it was.

    Args:
        grid: of the numbers.
        largest: absolute value of each layer's input by the layer's name, in the order of `CHOSEN`.
        results: likewise of what each convolution among them writes.
    """

    def __init__(
        self, grid: Grid, largest: Mapping[str, float], results: Mapping[str, float] | None = None
    ) -> None:
        super().__init__()
        self._grid, self._largest, self._results = grid, largest, results

    def call(self, model: ir.Model) -> PassResult:
        """Change `model`."""
        graph, order = model.graph, list(self._largest)
        quantized = model.clone()
        QuantizeLayers(self._grid, self._largest, self._results)(quantized)
        forms = ir.convenience.create_value_mapping(quantized.graph)
        values = ir.convenience.create_value_mapping(graph)
        chosen = ir.Value(
            name=CHOSEN, type=ir.TensorType(ir.DataType.BOOL), shape=ir.Shape([len(order)])
        )
        graph.inputs.append(chosen)
        layers = [one for one in quantizable_layers(model) if one.name in self._largest]
        # All of them before the first layer is replaced, for one may read what another writes.
        branches = [_Form(graph, values).branch(forms[layer.result.name or ""]) for layer in layers]
        for layer, branch in zip(layers, branches, strict=True):
            _switch(graph, layer.node, branch, chosen, order.index(layer.name))
        return PassResult(model, bool(order))


class _Form:
    """Copies the 8-bit form of a layer from another graph: its node, and those around it.

    Args:
        graph: it is for; gets the constants.
        values: of that graph, by name.
    """

    def __init__(self, graph: ir.Graph, values: Mapping[str, ir.Value]) -> None:
        self._graph, self._values = graph, values
        self._copies: dict[ir.Value, ir.Value] = {}
        self._nodes: list[ir.Node] = []
        self._prefix = ""

    def branch(self, result: ir.Value) -> ir.Graph:
        """The graph of a branch that gives what a layer writes."""
        self._prefix = f"{result.name}__quantized"
        copy = self._copied(result)
        return ir.Graph([], [copy], nodes=self._nodes, name=self._prefix)

    def _copied(self, made: ir.Value) -> ir.Value:
        node = made.producer()
        assert node is not None
        inputs = [None if value is None else self._value(value) for value in node.inputs]
        name = f"{self._prefix}_{len(self._nodes)}"
        output = ir.Value(name=name, type=made.type, shape=made.shape)
        attributes = [*node.attributes.values()]
        self._nodes.append(ir.Node("", node.op_type, inputs, attributes, outputs=[output]))
        return output

    def _value(self, value: ir.Value) -> ir.Value:
        if value not in self._copies:
            self._copies[value] = self._found(value)
        return self._copies[value]

    def _found(self, value: ir.Value) -> ir.Value:
        """Of the graph itself, if it is a map there; a weight has another form."""
        name = value.name
        assert name is not None
        known = self._values.get(name)
        if known is not None and not (known.is_initializer() and value.producer() is not None):
            return known
        if value.producer() is not None:
            return self._copied(value)
        if name not in self._graph.initializers:
            copy = ir.Value(
                name=name, type=value.type, shape=value.shape, const_value=value.const_value
            )
            self._graph.register_initializer(copy)
        return self._graph.initializers[name]


def _switch(graph: ir.Graph, node: ir.Node, form: ir.Graph, chosen: ir.Value, place: int) -> None:
    """Let the node run where `chosen` is false at that place, and the other form where it is."""
    result, name = node.outputs[0], node.outputs[0].name
    plain = ir.Value(name=f"{name}__plain", type=result.type, shape=result.shape)
    index = ir.Value(
        name=f"{name}__place",
        type=ir.TensorType(ir.DataType.INT64),
        shape=ir.Shape([]),
        const_value=ir.tensor(place, dtype=ir.DataType.INT64, name=f"{name}__place"),
    )
    graph.register_initializer(index)
    as_it_was = ir.Node("", node.op_type, node.inputs, [*node.attributes.values()], outputs=[plain])
    gathered = ir.node("Gather", [chosen, index])
    branches = {
        "then_branch": form,
        "else_branch": ir.Graph([], [plain], nodes=[as_it_was], name=f"{name}__plain"),
    }
    result.name = f"{name}__replaced"
    out = ir.Value(name=name, type=result.type, shape=result.shape)
    switch = ir.node("If", gathered.outputs, branches, outputs=[out])
    graph.insert_before(node, [gathered, switch])
    ir.convenience.replace_all_uses_with(result, out, replace_graph_outputs=True)
    graph.remove(node, safe=True)
