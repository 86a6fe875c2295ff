"""The reader of ONNX files, what it tells of one, and the check before anything runs."""

from __future__ import annotations

from pathlib import Path

import atheris
import onnx  # noqa: F401  here, or the first input would wait for it

from tests.fuzz.reader import fuzz

with atheris.instrument_imports(include=["vmamba_deploy.exporting", "onnx_ir.serde"]):
    from vmamba_deploy.exporting.onnx_graph import missing_attributes, module_scopes
    from vmamba_deploy.exporting.onnx_model import OnnxModel


def read(data: bytes, folder: Path) -> None:
    path = folder / "model.onnx"
    path.write_bytes(data)
    model = OnnxModel.read(path)
    assert model.inputs
    assert model.outputs
    assert model.nodes >= 0
    assert model.size_bytes >= len(data)
    for node in model.our_nodes:
        missing_attributes(node)
        module_scopes(node)
    _ = model.our_ops, model.has_function_body, model.opset, model.preset, model.has_free_size()
    _ = model.structured("preprocessing"), model.takes_bytes(), model.data_files
    _ = model.precision, model.task, model.image_size()
    model.check()


if __name__ == "__main__":
    fuzz(read)
