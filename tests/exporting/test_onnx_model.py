"""What a file says of itself; it is checked once, and takes no weights from elsewhere."""

from __future__ import annotations

import numpy as np
import onnx
import onnx_ir as ir
import pytest

from vmamba_deploy.artifacts.manifest import TensorFacts
from vmamba_deploy.errors import InputFileError
from vmamba_deploy.exporting.onnx_model import OnnxModel

TEXT = """<ir_version: 10, opset_import: ["" : 20]>
g (uint8[n,4] x) => (bool[n,m] y) { y = Cast <to = 9> (x) }"""


def weights_in(location: str, name: str = "w") -> ir.Value:
    tensor = ir.ExternalTensor(location, 0, 16, ir.DataType.FLOAT, shape=ir.Shape([4]), name=name)
    return ir.Value(
        name=name, shape=tensor.shape, type=ir.TensorType(tensor.dtype), const_value=tensor
    )


def add_in_branch(model: ir.Model, location: str) -> None:
    """An If whose branch has a Constant with its value in another file."""
    tensor = weights_in(location).const_value
    constant = ir.node("Constant", [], {"value": tensor})
    constant.outputs[0].name, constant.outputs[0].dtype = "inner", ir.DataType.FLOAT
    branch = ir.Graph([], constant.outputs, nodes=[constant], name="branch")
    yes = ir.node("Constant", [], {"value": ir.tensor(np.array(True))})
    model.graph.extend(
        [yes, ir.node("If", yes.outputs, {"then_branch": branch, "else_branch": branch.clone()})]
    )


def write(path, change=lambda model: None, location=None):
    model = ir.from_onnx_text(TEXT)
    if location is not None:
        model.graph.register_initializer(weights_in(location))
    change(model)
    path.write_bytes(ir.to_proto(model).SerializeToString())
    return path


def test_inputs_and_outputs_are_facts(tmp_path):
    model = OnnxModel.read(write(tmp_path / "m.onnx"))
    assert model.inputs == (TensorFacts(name="x", dtype="uint8", shape=("n", 4)),)
    assert model.outputs == (TensorFacts(name="y", dtype="bool", shape=("n", "m")),)
    assert (model.opset, model.nodes, len(model.our_nodes), model.has_function_body) == (
        20,
        1,
        0,
        False,
    )
    assert model.size_bytes == (tmp_path / "m.onnx").stat().st_size


@pytest.mark.parametrize("where", ["weights", "branch"])
@pytest.mark.parametrize("location", ["../secret", "/etc/hostname", "sub/w.data"])
def test_weights_of_another_folder_are_refused_wherever_they_are_named(tmp_path, where, location):
    path = tmp_path / "m.onnx"
    if where == "weights":
        write(path, location=location)
    else:
        write(path, lambda model: add_in_branch(model, location))
    with pytest.raises(InputFileError, match="not beside it"):
        OnnxModel.read(path)


def test_a_link_beside_the_file_is_refused_and_a_missing_file_named(tmp_path):
    path = write(tmp_path / "m.onnx", location="w.data")
    with pytest.raises(InputFileError, match=r"needs the file w\.data beside it"):
        OnnxModel.read(path)
    (tmp_path / "elsewhere").write_bytes(bytes(16))
    (tmp_path / "w.data").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(InputFileError, match="not beside it"):
        OnnxModel.read(path)


@pytest.mark.parametrize("content", [b"", b"not a model", b"\x08\x0a" + bytes(64)])
def test_what_is_no_model_is_named(tmp_path, content):
    (tmp_path / "bad.onnx").write_bytes(content)
    with pytest.raises(InputFileError, match=r"bad\.onnx is not an ONNX"):
        OnnxModel.read(tmp_path / "bad.onnx")
    with pytest.raises(InputFileError, match=r"none\.onnx does not exist"):
        OnnxModel.read(tmp_path / "none.onnx")


def test_a_file_is_checked_once_and_a_session_tries_external_data(tmp_path, monkeypatch):
    (tmp_path / "w.data").write_bytes(bytes(16))
    model = OnnxModel.read(write(tmp_path / "m.onnx", location="w.data"))
    checked, opened, check = [], [], onnx.checker.check_model
    monkeypatch.setattr(
        onnx.checker, "check_model", lambda *a, **named: (checked.append(a), check(*a, **named))
    )
    for _ in range(3):
        model.check(opened.append)
    assert (len(checked), opened) == (1, [model])
    (tmp_path / "there").mkdir()
    # Other bytes on disk, for all that is known.
    copy = model.copied_to(tmp_path / "there" / "n.onnx")
    copy.check(opened.append)
    assert (len(checked), opened) == (2, [model, copy])


def test_a_copy_takes_its_data_files_along(tmp_path):
    (tmp_path / "w.data").write_bytes(bytes(16))
    model = OnnxModel.read(write(tmp_path / "m.onnx", location="w.data"))
    (tmp_path / "there").mkdir()
    # Other bytes on disk, for all that is known.
    copy = model.copied_to(tmp_path / "there" / "n.onnx")
    assert copy.size_bytes == model.size_bytes
    assert OnnxModel.read(copy.path).data_files == ("w.data",)


def test_a_file_that_is_not_sound_is_refused_each_time(tmp_path):
    def break_it(model: ir.Model) -> None:
        model.graph[0].op_type = "NoSuchOp"

    model = OnnxModel.read(write(tmp_path / "m.onnx", break_it))
    for _ in range(2):
        with pytest.raises(InputFileError, match="not a sound ONNX model"):
            model.check()


def test_a_short_data_file_is_refused(tmp_path):
    (tmp_path / "w.data").write_bytes(bytes(8))
    model = OnnxModel.read(write(tmp_path / "m.onnx", location="w.data"))
    with pytest.raises(InputFileError, match="not a sound ONNX model"):
        model.check()
