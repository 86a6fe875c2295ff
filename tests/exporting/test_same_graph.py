"""Graphs that compute the same under other names, and graphs that do not."""

from __future__ import annotations

import numpy as np
import onnx
import onnx.parser
import onnx_ir as ir
import pytest

from vmamba_deploy.exporting.dequantize import constant
from vmamba_deploy.exporting.same_graph import attributes_of, graph_differences

GOOD = """<ir_version: 10, opset_import: ["": 20]>
    g (float[2, 3] x, float[2, 3] z) => (float[2, 3] y) {
        four = Constant<value = float {4.0}>()
        a = Mul(x, four)
        b = Clip(a, , four)
        p, q = Split<axis = 1, num_outputs = 2>(b)
        c = Concat<axis = 1>(p, q)
        d = Add(c, z)
        y = Mul(d, four)
    }"""


def model(text: str) -> ir.Model:
    return ir.serde.deserialize_model(onnx.parser.parse_model(text))


def equal(ours: ir.Value, theirs: ir.Value) -> str | None:
    one, two = constant(ours), constant(theirs)
    return None if np.array_equal(one, two) else f"{ours.name} is {two}"


def test_the_same_graph_under_other_names() -> None:
    other = GOOD.replace("four", "vier").replace("a = Mul", "k = Mul").replace("Clip(a", "Clip(k")
    assert graph_differences(model(GOOD), model(other), equal) == []


def test_a_value_that_is_computed_twice_there_is_the_same() -> None:
    twice = GOOD.replace("a = Mul(x, four)", "a = Mul(x, four) e = Mul(x, four)")
    once = GOOD.replace("d = Add(c, z)", "f = Add(a, c) d = Add(f, z)")
    other = twice.replace("d = Add(c, z)", "f = Add(e, c) d = Add(f, z)")
    assert graph_differences(model(once), model(other), equal) == []
    assert graph_differences(model(other), model(once), equal) == []


OTHERS = {
    "another op": ("d = Add(c, z)", "d = Sub(c, z)", "nodes", "made by Sub, expected Add"),
    "a node too few": ("d = Add(c, z)", "d = Identity(c)", "nodes", "made by Identity"),
    "swapped inputs": ("d = Add(c, z)", "d = Add(z, c)", "nodes", "c is z there"),
    "another input": ("a = Mul(x, four)", "a = Mul(z, four)", "nodes", "x is z there"),
    "another output of a node": ("Concat<axis = 1>(p, q)", "Concat<axis = 1>(q, p)", "nodes", "p"),
    "an output twice": ("Concat<axis = 1>(p, q)", "Concat<axis = 1>(p, p)", "nodes", "another"),
    "an attribute": ("Concat<axis = 1>", "Concat<axis = -1>", "attributes", "'axis': '-1'"),
    "an input left out": ("Clip(a, , four)", "Clip(a, four, )", "nodes", "other inputs"),
    "a constant": ("{4.0}", "{5.0}", "constants", "is 5.0"),
    "an input's name": ("float[2, 3] z)", "float[2, 3] w)", "interface", "inputs are"),
    "an input's shape": ("g (float[2, 3] x", "g (float[1, 3] x", "interface", "[1,3]"),
    "an input's dtype": ("g (float[2, 3] x", "g (double[2, 3] x", "interface", "DOUBLE"),
    "an output's shape": ("=> (float[2, 3] y)", "=> (float[2, N] y)", "interface", "outputs"),
}


@pytest.mark.parametrize("name", OTHERS)
def test_a_difference_is_told(name: str) -> None:
    old, new, kind, words = OTHERS[name]
    text = GOOD.replace(old, new)
    if name == "an input's name":
        text = text.replace("Add(c, z)", "Add(c, w)")
    assert text != GOOD
    found = graph_differences(model(GOOD), model(text), equal)
    assert any(one.kind == kind and words in one.text for one in found), found


def test_a_constant_that_is_another_for_one_of_its_readers() -> None:
    """The walk meets it once as it was."""
    other = GOOD.replace(
        "y = Mul(d, four)", "five = Constant<value = float {5.0}>() y = Mul(d, five)"
    )
    (found,) = graph_differences(model(GOOD), model(other), equal)
    assert (found.kind, found.text) == ("constants", "four is 5.0")


def test_the_middle_of_a_large_attribute_counts() -> None:
    """NumPy's own text of it leaves that out."""
    values = np.zeros(5000, np.float32)
    texts = []
    for changed in (0, 1):
        values[2500] = changed
        node = ir.node("Op", [], {"value": ir.tensor(values.copy())}, domain="test")
        texts.append(attributes_of(node)["value"])
    assert texts[0] != texts[1]
