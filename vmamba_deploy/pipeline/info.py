"""What a file is: an ONNX model, an engine, a checkpoint, or a folder of artefacts."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec

from vmamba_deploy.artifacts.manifest import MANIFEST_NAME, describe_file, read_manifest
from vmamba_deploy.artifacts.remarks import remarks
from vmamba_deploy.artifacts.verification import verify
from vmamba_deploy.errors import InputFileError
from vmamba_deploy.exporting.onnx_model import OnnxModel
from vmamba_deploy.models.checkpoints.choice import WeightsChoice
from vmamba_deploy.models.checkpoints.folders import checkpoint_file, is_checkpoint_folder

_ENGINE_SUFFIXES = {".engine", ".plan", ".trt"}


def describe_path(path: Path, choice: WeightsChoice | None = None) -> dict[str, Any]:
    """Facts about a file or artefact folder, as nested plain values; `kind` comes first.

    An engine is code, so it is never deserialised here: what is known comes from the manifest
    beside it, after its sha256 was checked.

    Args:
        path: of a file or folder.
        choice: which network of a checkpoint, where it has several.

    Raises:
        InputFileError: absent, unreadable or of no known kind.
        IntegrityError: a manifest is there and does not fit.
    """
    if not path.exists():
        raise InputFileError(f"there is no file or folder {path}")
    if path.is_dir() and ((path / MANIFEST_NAME).exists() or not is_checkpoint_folder(path)):
        manifest = verify(path)
        described = {"kind": "artefact folder", "task": manifest.task, **manifest.as_json()}
        said = remarks(path, manifest)
        return described | {"remarks": said} if said else described
    suffix = path.suffix.lower()
    if suffix == ".onnx":
        return _describe_onnx(path)
    if suffix in _ENGINE_SUFFIXES:
        return _describe_engine(path)
    return _describe_checkpoint(path, choice)


def _describe_onnx(path: Path) -> dict[str, Any]:
    facts = OnnxModel.read(path)
    structured = {key: facts.structured(key) for key in facts.metadata}
    return {
        "kind": "ONNX model",
        **msgspec.to_builtins(describe_file(path, InputFileError)),
        "task": facts.task.name,
        "op_sets": facts.op_sets,
        "inputs": msgspec.to_builtins(facts.inputs),
        "outputs": msgspec.to_builtins(facts.outputs),
        "nodes": facts.nodes,
        "our_nodes": facts.nodes_by_op,
        "has_function_body": facts.has_function_body,
        "metadata": {
            key: text if structured[key] is None else structured[key]
            for key, text in facts.metadata.items()
        },
    }


def _describe_engine(path: Path) -> dict[str, Any]:
    described = {
        "kind": "TensorRT engine",
        **msgspec.to_builtins(describe_file(path, InputFileError)),
    }
    if not (path.parent / MANIFEST_NAME).exists():
        return described | {"note": "no manifest beside it, so nothing can be said of its origin"}
    manifest = read_manifest(path.parent)
    listed = manifest.files.get(path.name)
    if listed is None:
        return described | {"note": "the manifest beside it does not list this file"}
    verify(path.parent)
    return described | {
        "preset": manifest.preset,
        "precision": manifest.precision,
        **manifest.engine.as_json(),
    }


def _describe_checkpoint(path: Path, choice: WeightsChoice | None) -> dict[str, Any]:
    from vmamba_deploy.models import load_weights

    path = checkpoint_file(path)
    loaded = load_weights(str(path), choice=choice)
    config, origin = loaded.model.config, loaded.origin
    assert origin is not None
    return {
        "kind": "checkpoint",
        "file": path.name,
        "sha256": loaded.sha256,
        "size_bytes": path.stat().st_size,
        "preset": loaded.preset_name or "custom",
        "architecture": origin.architecture,
        "weights_key": origin.key,
        "other_weights_keys": list(origin.other_keys),
        "weights_prefix": origin.prefix,
        "tasks": list(loaded.model.tasks),
        "parameters": sum(parameter.numel() for parameter in loaded.model.parameters()),
        "classes": config.num_classes,
        "labels": list(loaded.model.class_labels) if loaded.model.class_labels else None,
        **loaded.family.summary(config),
        "image_size": list(origin.preprocessing.crop_pixels) if origin.preprocessing else None,
        "notes": list(origin.notes),
    }
