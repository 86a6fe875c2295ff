"""From an ONNX file and an engine to a description for the manifest."""

from __future__ import annotations

import msgspec

from vmamba_deploy.artifacts.manifest import Description, EngineFacts, Status
from vmamba_deploy.errors import InputFileError
from vmamba_deploy.export.onnx_model import OnnxModel


def describe(
    facts: OnnxModel, engine: EngineFacts, status: Status, status_reason: str | None = None
) -> Description:
    """Everything but the files, taken from the file's own metadata.

    Raises:
        InputFileError: the file was not written by this package.
    """
    needed = ("preset", "precision", "weights_source", "weights_sha256", "preprocessing")
    if missing := [key for key in needed if key not in facts.metadata]:
        raise InputFileError(
            f"{facts.path} was not written by this package: its metadata lacks {', '.join(missing)}"
        )
    fields = {
        "status": status,
        "status_reason": status_reason,
        "preset": facts.metadata["preset"],
        "task": facts.task.name,
        "precision": facts.metadata["precision"],
        "weights": {
            "source": facts.metadata["weights_source"],
            "sha256": facts.metadata["weights_sha256"],
        },
        "versions": facts.structured("tool_versions") or {},
        "onnx": {
            "opset": facts.opset,
            "op_sets": facts.op_sets,
            "inputs": facts.inputs,
            "outputs": facts.outputs,
        },
        "engine": engine,
        "preprocessing": facts.structured("preprocessing"),
        "labels": facts.structured("labels"),
    }
    try:
        return msgspec.convert(fields, Description)
    except msgspec.ValidationError as error:
        raise InputFileError(f"{facts.path} has metadata of another form: {error}") from error
