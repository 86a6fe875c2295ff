"""ONNX files that reach for other files, nest without end, or lie about themselves."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import onnx
import pytest
from onnx import TensorProto, helper

from tests.faults.asking import ask, assert_plain, assert_refused
from vmamba_deploy.errors import ExitCode

Change = Callable[[onnx.ModelProto, Path], None]


def external(location: str, **entries: str) -> Change:
    def change(model: onnx.ModelProto, _folder: Path) -> None:
        tensor = max(model.graph.initializer, key=lambda one: len(one.raw_data))
        tensor.ClearField("raw_data")
        tensor.data_location = TensorProto.EXTERNAL
        for key, value in {"location": location, **entries}.items():
            entry = tensor.external_data.add()
            entry.key, entry.value = key, value

    return change


def linked(model: onnx.ModelProto, folder: Path) -> None:
    (folder / "w.data").symlink_to("/etc/passwd")
    external("w.data")(model, folder)


def piped(model: onnx.ModelProto, folder: Path) -> None:
    os.mkfifo(folder / "w.data")
    external("w.data")(model, folder)


def huge_shape(model: onnx.ModelProto, _folder: Path) -> None:
    model.graph.initializer[0].dims[:] = [2**31, 2**31]


def negative_shape(model: onnx.ModelProto, _folder: Path) -> None:
    model.graph.initializer[0].dims[:] = [-4]


def short_weights(model: onnx.ModelProto, _folder: Path) -> None:
    tensor = max(model.graph.initializer, key=lambda one: len(one.raw_data))
    tensor.raw_data = tensor.raw_data[:-4]


def unknown_type(model: onnx.ModelProto, _folder: Path) -> None:
    model.graph.initializer[0].data_type = 99


def cyclic_nodes(model: onnx.ModelProto, _folder: Path) -> None:
    node = model.graph.node[0]
    node.input[0] = model.graph.node[-1].output[0]


def unknown_op(model: onnx.ModelProto, _folder: Path) -> None:
    model.graph.node[0].op_type = "OfNobody"


def unknown_domain(model: onnx.ModelProto, _folder: Path) -> None:
    model.graph.node[0].domain = "of.nobody"


def cyclic_functions(model: onnx.ModelProto, _folder: Path) -> None:
    imports = [helper.make_opsetid("", 20), helper.make_opsetid("f", 1)]
    for name, called in (("A", "B"), ("B", "A")):
        node = helper.make_node(called, ["x"], ["y"], domain="f")
        model.functions.append(helper.make_function("f", name, ["x"], ["y"], [node], imports))
    model.opset_import.append(helper.make_opsetid("f", 1))
    model.graph.node[0].op_type, model.graph.node[0].domain = "A", "f"


def no_opset(model: onnx.ModelProto, _folder: Path) -> None:
    del model.opset_import[:]


def future_opset(model: onnx.ModelProto, _folder: Path) -> None:
    model.opset_import[0].version = 2**62


def future_ir(model: onnx.ModelProto, _folder: Path) -> None:
    model.ir_version = 2**31


def no_outputs(model: onnx.ModelProto, _folder: Path) -> None:
    del model.graph.output[:]


HOSTILE: dict[str, Change] = {
    "weights above the folder": external("../../secret"),
    "weights at an absolute place": external("/etc/passwd"),
    "weights below a folder": external("sub/w.data"),
    "weights without a name": external(""),
    "weights of the file itself": external("model.onnx"),
    "weights that are not there": external("w.data"),
    "weights behind a link": linked,
    "weights in a pipe": piped,
    "weights from far away": external("w.data", offset=str(2**62), length=str(2**62)),
    "weights of less than nothing": external("w.data", offset="-1", length="-1"),
    "weights of no number": external("w.data", offset="nine", length="\x1b[2J"),
    "a shape of 2^62": huge_shape,
    "a negative shape": negative_shape,
    "weights that are too short": short_weights,
    "an unknown type": unknown_type,
    "a circle of nodes": cyclic_nodes,
    "an unknown op": unknown_op,
    "an unknown domain": unknown_domain,
    "a circle of functions": cyclic_functions,
    "no op set": no_opset,
    "an op set of the far future": future_opset,
    "a form of the far future": future_ir,
    "no outputs": no_outputs,
}


@pytest.mark.parametrize("what", list(HOSTILE))
def test_it_is_refused_before_it_runs(tmp_path: Path, artifact: Path, what: str) -> None:
    model, path = onnx.load(artifact / "model.onnx"), tmp_path / "model.onnx"
    HOSTILE[what](model, tmp_path)
    path.write_bytes(model.SerializeToString())
    before = sorted(entry.name for entry in tmp_path.iterdir())
    answer = ask("info", path)  # which looks, and may find it harmless to look at
    assert_plain(answer)
    assert answer.code in (ExitCode.OK, ExitCode.BAD_INPUT), answer.err
    assert_refused(ask("build", path, "--trt", "rtx", "-o", tmp_path / "out"), ExitCode.BAD_INPUT)
    assert sorted(entry.name for entry in tmp_path.iterdir()) == before


DEEP = 20_000
BYTES: dict[str, bytes] = {
    "nothing": b"",
    "a text": b"not a model\n" * 30,
    "a length beyond the file": b"\x3a\xff\xff\xff\xff\x0f",
    "graphs in graphs": b"\x3a\x80\x01" * DEEP,
    "a group that never ends": b"\x0b" * DEEP,
    "zeros": bytes(5000),
    "a number without end": b"\x08" + b"\xff" * 50,
}


@pytest.mark.parametrize("what", list(BYTES))
@pytest.mark.parametrize("command", ["info", "compare", "build", "bench"])
def test_bytes_that_are_no_model(tmp_path: Path, command: str, what: str) -> None:
    path = tmp_path / "model.onnx"
    path.write_bytes(BYTES[what])
    assert_refused(ask(command, path), ExitCode.BAD_INPUT, "model.onnx")
    assert [entry.name for entry in tmp_path.iterdir()] == ["model.onnx"]
