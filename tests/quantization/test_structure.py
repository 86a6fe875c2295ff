"""The proof of a quantized file by its structure: what is right passes, every mutation is seen."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import msgspec
import numpy as np
import onnx_ir as ir
import pytest

from tests.quantization.conftest import Quantized
from vmamba_deploy.artifacts.quantization_facts import LayerFacts, QuantizationFacts
from vmamba_deploy.exporting.onnx_graph import our_nodes
from vmamba_deploy.quantization.structure import check_structure, listed

Mutation = Callable[[ir.Model], None]


@pytest.mark.parametrize("precision", ["int8", "fp8"])
@pytest.mark.parametrize("base", ["fp32", "fp16"])
def test_what_is_right_passes(quantized_digits, precision: str, base: str) -> None:
    made = quantized_digits(precision, base)
    check = check_structure(made.base, made.file, made.facts)
    assert (check.status, check.reason) == (
        "passed",
        f"the base's graph, and {len(made.facts.quantized)} layers within half a step of it",
    )


def nodes(model: ir.Model, op_type: str) -> list[ir.Node]:
    return [node for node in model.graph if node.op_type == op_type]


def products(model: ir.Model) -> list[ir.Node]:
    """The MatMuls of which both inputs are dequantized."""
    return [node for node in nodes(model, "MatMul") if all(map(_dequantize, node.inputs))]


def _dequantize(value: ir.Value | None) -> ir.Node | None:
    producer = value.producer() if value is not None else None
    return producer if producer is not None and producer.op_type == "DequantizeLinear" else None


def pair(model: ir.Model, which: int = 0) -> tuple[ir.Node, ir.Node]:
    """QuantizeLinear and DequantizeLinear before a layer."""
    dequantize = _dequantize(products(model)[which].inputs[0])
    assert dequantize is not None
    stored = dequantize.inputs[0]
    assert stored is not None
    quantize = stored.producer()
    assert quantize is not None
    return quantize, dequantize


def weight(model: ir.Model, which: int = 0) -> ir.Node:
    """DequantizeLinear of a layer's weight."""
    dequantize = _dequantize(products(model)[which].inputs[1])
    assert dequantize is not None
    return dequantize


def held(node: ir.Node, place: int) -> Any:
    value = node.inputs[place]
    assert value is not None
    assert value.const_value is not None
    return value.const_value.numpy()


def give(model: ir.Model, node: ir.Node, place: int, values: Any) -> None:
    """Let a node read other constants there."""
    tensor = ir.tensor(np.asarray(values))
    value = ir.Value(
        name=f"mutated_{len(model.graph.initializers)}",
        type=ir.TensorType(tensor.dtype),
        shape=ir.Shape(tensor.shape),
        const_value=tensor,
    )
    model.graph.register_initializer(value)
    node.replace_input_with(place, value)


def changed(place: int, change: Callable[[Any], Any], of: Callable[..., ir.Node]) -> Mutation:
    """Change a constant that a node reads."""

    def mutate(model: ir.Model) -> None:
        node = of(model)
        give(model, node, place, change(held(node, place).copy()))

    return mutate


def scale_both(factor: float) -> Mutation:
    def mutate(model: ir.Model) -> None:
        for node in pair(model):
            give(model, node, 1, held(node, 1) * np.float32(factor))

    return mutate


def convolution(model: ir.Model) -> ir.Node:
    """The first of which both inputs are dequantized."""
    return next(node for node in nodes(model, "Conv") if all(map(_dequantize, node.inputs[:2])))


def weight_of_convolution(model: ir.Model) -> ir.Node:
    dequantize = _dequantize(convolution(model).inputs[1])
    assert dequantize is not None
    return dequantize


def result_pair(model: ir.Model) -> tuple[ir.Node, ir.Node]:
    """QuantizeLinear and DequantizeLinear behind the convolution."""
    (quantize,) = (use.node for use in convolution(model).outputs[0].uses())
    (dequantize,) = (use.node for use in quantize.outputs[0].uses())
    return quantize, dequantize


def scale_result(factor: float) -> Mutation:
    def mutate(model: ir.Model) -> None:
        for node in result_pair(model):
            give(model, node, 1, held(node, 1) * np.float32(factor))

    return mutate


def drop_the_result_pair(model: ir.Model) -> None:
    quantize, dequantize = result_pair(model)
    ir.convenience.replace_all_uses_with(dequantize.outputs[0], quantize.inputs[0])


def read_the_whole_result_too(model: ir.Model) -> None:
    """One reader more, which does not read 8 bits."""
    result = convolution(model).outputs[0]
    _, dequantize = result_pair(model)
    reader = dequantize.outputs[0].uses()[0]
    both = ir.node("Add", [result, dequantize.outputs[0]], name="both")
    model.graph.insert_before(reader.node, both)
    reader.node.replace_input_with(reader.idx, both.outputs[0])


def double_a_filter(values: Any) -> Any:
    values[1] = np.clip(2 * values[1].astype(int), -127, 127)
    return values


def one_off(values: Any) -> Any:
    values[1, 2] += 1 if values[1, 2] < 100 else -1
    return values


def lose_a_route(model: ir.Model) -> None:
    """Of the first scan: its skip of one of the four routes."""
    scan = our_nodes(model)[0]
    place = next(
        i for i, value in enumerate(scan.inputs) if value and value.name[-8:] == "frozen_d"
    )
    skips = held(scan, place).copy()
    skips[1] = 0
    give(model, scan, place, skips)


def change_an_attribute(model: ir.Model) -> None:
    scan = our_nodes(model)[0]
    attribute = next(one for one in scan.attributes.values() if one.type is ir.AttributeType.INT)
    scan.attributes[attribute.name] = ir.AttrInt64(attribute.name, attribute.as_int() + 1)


def swap_weights(model: ir.Model) -> None:
    """Of two layers of one shape."""
    first, second = weight(model, 0), weight(model, 2)
    assert held(first, 0).shape == held(second, 0).shape
    for place in (0, 1):
        mine, theirs = first.inputs[place], second.inputs[place]
        first.replace_input_with(place, theirs)
        second.replace_input_with(place, mine)


def unsigned(model: ir.Model) -> None:
    quantize, dequantize = pair(model)
    for node in (quantize, dequantize):
        give(model, node, 2, np.uint8(128))
    quantize.outputs[0].dtype = ir.DataType.UINT8


def unsigned_by_default(model: ir.Model) -> None:
    """Without a zero point QuantizeLinear gives uint8."""
    for node in pair(model):
        node.resize_inputs(2)
    pair(model)[0].outputs[0].dtype = ir.DataType.UINT8


def drop_a_pair(model: ir.Model) -> None:
    quantize, _ = pair(model)
    products(model)[0].replace_input_with(0, quantize.inputs[0])


def leave_a_weight_whole(model: ir.Model) -> None:
    made = weight(model)
    product = products(model)[0]
    whole = held(made, 0) * held(made, 1)
    give(model, product, 1, whole.astype(np.float32))


def quantize_the_residual(model: ir.Model) -> None:
    """A pair too many: before an Add of two maps."""
    quantize, dequantize = pair(model)
    scales = [node.inputs[1:] for node in (quantize, dequantize)]
    target = next(
        node for node in nodes(model, "Add") if all(one.producer() for one in node.inputs if one)
    )
    source = target.inputs[0]
    stored = ir.node("QuantizeLinear", [source, *scales[0]], name="too_many_q")
    stored.outputs[0].dtype = ir.DataType.INT8
    whole = ir.node("DequantizeLinear", [stored.outputs[0], *scales[1]], name="too_many_dq")
    model.graph.insert_before(target, [stored, whole])
    target.replace_input_with(0, whole.outputs[0])


def drop_an_add(model: ir.Model) -> None:
    node = nodes(model, "Add")[-1]
    ir.convenience.replace_all_uses_with(node.outputs[0], node.inputs[0])


def change_a_bias(model: ir.Model) -> None:
    for node in nodes(model, "Add"):
        for place, value in enumerate(node.inputs):
            if value is not None and value.is_initializer() and value.const_value is not None:
                values = value.const_value.numpy().copy()
                values.reshape(-1)[0] = np.nextafter(values.reshape(-1)[0], np.float32(np.inf))
                give(model, node, place, values)
                return
    raise AssertionError("no bias is added")


def change_the_function(model: ir.Model) -> None:
    """Its first node with an attribute that is a number."""
    (function,) = model.functions.values()
    for node in function:
        for attribute in node.attributes.values():
            if attribute.type is ir.AttributeType.INT and not attribute.is_ref():
                node.attributes[attribute.name] = ir.AttrInt64(
                    attribute.name, attribute.as_int() + 1
                )
                return
    raise AssertionError("the body has no number")


def fix_the_batch(model: ir.Model) -> None:
    value = model.graph.inputs[0]
    assert value.shape is not None
    value.shape = ir.Shape([1, *value.shape[1:]])


def saturate_not(model: ir.Model) -> None:
    quantize, _ = pair(model)
    quantize.attributes["saturate"] = ir.AttrInt64("saturate", 0)


def along_the_other_axis(model: ir.Model) -> None:
    weight(model).attributes["axis"] = ir.AttrInt64("axis", 0)


def negative(values: Any) -> Any:
    return -values


def nan_first(values: Any) -> Any:
    values.reshape(-1)[0] = np.nan
    return values


MUTATIONS: dict[str, tuple[Mutation, str]] = {
    "a lost route": (lose_a_route, "frozen_d has other values"),
    "a changed number of a scan": (change_an_attribute, "has attributes"),
    "swapped weights": (swap_weights, "further than half a step"),
    "a weight off by one step": (changed(0, one_off, weight), "further than half a step"),
    "a weight's scales doubled": (
        changed(1, lambda scale: 2 * scale, weight),
        "further than half a step",
    ),
    "a weight's scales halved": (
        changed(1, lambda scale: scale / 2, weight),
        "further than half a step",
    ),
    "one channel's scale doubled": (
        changed(1, lambda scale: scale * np.r_[2, np.ones(len(scale) - 1)].astype("f4"), weight),
        "further than half a step",
    ),
    "a weight's scale negative": (changed(1, negative, weight), "no positive number"),
    "a weight's scale NaN": (changed(1, nan_first, weight), "no positive number"),
    "a weight's scales for another axis": (along_the_other_axis, "axis|shapes|half a step"),
    "a weight with one scale": (changed(1, lambda scale: scale.max(), weight), "one for each"),
    "a map's scales doubled": (scale_both(2), "and it becomes .* alone"),
    "a map's scales halved": (scale_both(0.5), "the range of .* is less than"),
    "a map's scales negative": (scale_both(-1), "no positive number"),
    "a map's scales NaN": (scale_both(np.nan), "no positive number"),
    "a map's scales 0": (scale_both(0), "no positive number"),
    "a range a little below what was seen": (scale_both(0.999), "the range of .* is less than"),
    "a map's first scale alone": (
        changed(1, lambda scale: 2 * scale, lambda model: pair(model)[0]),
        "not dequantized with the scale",
    ),
    "a map's second scale alone": (
        changed(1, lambda scale: 2 * scale, lambda model: pair(model)[1]),
        "not dequantized with the scale",
    ),
    "a map with scales by channel": (
        changed(1, lambda scale: np.repeat(scale, 3), lambda model: pair(model)[1]),
        "not one scale",
    ),
    "a zero point": (
        changed(2, lambda _zero: np.int8(1), lambda model: pair(model)[0]),
        "zero point that is not 0",
    ),
    "numbers without a sign": (unsigned, "numbers of UINT8"),
    "numbers without a sign, by default": (unsigned_by_default, "numbers of UINT8"),
    "a pair too few": (drop_a_pair, "one input is quantized"),
    "a weight in float": (leave_a_weight_whole, "has other values"),
    "a pair too many": (quantize_the_residual, "is read by Add"),
    "a filter doubled": (changed(0, double_a_filter, weight_of_convolution), "half a step"),
    "a filter's scale doubled": (
        changed(
            1,
            lambda scale: scale * np.r_[2, np.ones(len(scale) - 1)].astype("f4"),
            weight_of_convolution,
        ),
        "further than half a step",
    ),
    "filters with one scale": (
        changed(1, lambda scale: scale.max(), weight_of_convolution),
        "one for each",
    ),
    "a result's scales doubled": (scale_result(2), "the output of .* and it becomes .* alone"),
    "a result's scales halved": (scale_result(0.5), "the range of the output of .* is less than"),
    "a result's second scale alone": (
        changed(1, lambda scale: 2 * scale, lambda model: result_pair(model)[1]),
        "the output of .* is not dequantized with the scale",
    ),
    "a result in float": (drop_the_result_pair, "writes is not quantized"),
    "a result in float and in 8 bits": (read_the_whole_result_too, "is read by Add both"),
    "overflow to infinity": (saturate_not, "has the attribute saturate"),
    "a dropped Add": (drop_an_add, "is made by"),
    "a changed bias": (change_a_bias, "has other values"),
    "a changed function": (change_the_function, "functions"),
    "a fixed batch": (fix_the_batch, "the inputs are"),
    "another op set": (lambda model: model.opset_imports.update({"": 21}), "op sets"),
}


@pytest.mark.parametrize("name", MUTATIONS)
def test_a_mutation_is_noticed(quantized_digits, name: str) -> None:
    mutate, words = MUTATIONS[name]
    made = quantized_digits()
    copy = made.file.ir.clone()
    mutate(copy)
    check = check_structure(made.base, replace(made.file, ir=copy), made.facts)
    assert check.status == "failed", name
    assert re.search(words, check.reason), check.reason


def edited(facts: QuantizationFacts, which: int, **change: Any) -> QuantizationFacts:
    layers = list(facts.layers)
    layers[which] = msgspec.structs.replace(layers[which], **change)
    return msgspec.structs.replace(facts, layers=tuple(layers))


def result_times(facts: QuantizationFacts, factor: float | None) -> QuantizationFacts:
    """Of the first convolution; None: as if it were none."""
    which, seen = next(
        (place, layer.largest_result)
        for place, layer in enumerate(facts.layers)
        if layer.largest_result is not None
    )
    return edited(facts, which, largest_result=None if factor is None else factor * seen)


RECORDS: dict[str, tuple[Callable[[QuantizationFacts], QuantizationFacts], str]] = {
    "a layer that is said to be kept": (
        lambda facts: edited(facts, 0, kept="its cost"),
        "the record does not say so",
    ),
    "a larger range": (
        lambda facts: edited(facts, 1, largest=facts.layers[1].largest * 1.01),
        "the range of .* is less than",
    ),
    "a smaller range": (
        lambda facts: edited(facts, 1, largest=facts.layers[1].largest * 0.99),
        "and it becomes",
    ),
    "a larger range of a result": (
        lambda facts: result_times(facts, 1.01),
        "the range of the output of .* is less than",
    ),
    "a smaller range of a result": (
        lambda facts: result_times(facts, 0.99),
        "the output of .* it becomes .* alone",
    ),
    "a result that nobody saw": (
        lambda facts: result_times(facts, None),
        "does not say what .* writes",
    ),
    "another name": (lambda facts: edited(facts, 0, name="another"), "other layers"),
    "a layer too few": (
        lambda facts: msgspec.structs.replace(facts, layers=facts.layers[1:]),
        "other layers",
    ),
    "a layer too many": (
        lambda facts: msgspec.structs.replace(
            facts, layers=(*facts.layers, LayerFacts(name="x", largest=1.0, multiply_adds=1))
        ),
        "other layers",
    ),
}


@pytest.mark.parametrize("name", RECORDS)
def test_an_edited_record_is_noticed(quantized_digits, name: str) -> None:
    edit, words = RECORDS[name]
    made: Quantized = quantized_digits()
    check = check_structure(made.base, made.file, edit(made.facts))
    assert check.status == "failed", name
    assert re.search(words, check.reason), check.reason


def test_the_mutations_are_each_another_graph(quantized_digits) -> None:
    """Else the table would say little: a mutation that changes nothing would be noticed by none."""
    made = quantized_digits()
    before = ir.to_proto(made.file.ir).SerializeToString(deterministic=True)
    for name, (mutate, _) in MUTATIONS.items():
        copy = made.file.ir.clone()
        mutate(copy)
        assert ir.to_proto(copy).SerializeToString(deterministic=True) != before, name


def test_a_long_list_of_faults_is_cut() -> None:
    assert listed(["one", "two"]) == "one; two"
    assert listed(list("abcdefg")) == "a; b; c; d; e, and 2 more"
