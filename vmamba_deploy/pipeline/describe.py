"""From an ONNX file and an engine to the fields of a manifest."""

from __future__ import annotations

from typing import Any

from vmamba_deploy.errors import InputFileError
from vmamba_deploy.export.onnx_model import OnnxModel


def describe(facts: OnnxModel, engine: dict[str, Any]) -> dict[str, Any]:
    """Everything but files and status, taken from the file's own metadata.

    Raises:
        InputFileError: the file was not written by this package.
    """
    needed = ("preset", "precision", "weights_source", "weights_sha256", "preprocessing")
    if missing := [key for key in needed if key not in facts.metadata]:
        raise InputFileError(
            f"{facts.path} was not written by this package: its metadata lacks {', '.join(missing)}"
        )
    return {
        "preset": facts.metadata["preset"],
        "precision": facts.metadata["precision"],
        "weights": {
            "source": facts.metadata["weights_source"],
            "sha256": facts.metadata["weights_sha256"],
        },
        "versions": facts.structured("tool_versions") or {},
        "onnx": {
            "opset": facts.opset,
            "op_sets": facts.op_sets,
            "inputs": [tensor.as_json() for tensor in facts.inputs],
            "outputs": [tensor.as_json() for tensor in facts.outputs],
        },
        "engine": engine,
        "preprocessing": facts.structured("preprocessing"),
        "labels": facts.structured("labels"),
    }
