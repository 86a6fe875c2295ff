"""What a file is: an ONNX model, an engine, a checkpoint, a library, or a folder of artefacts."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec

from vmamba_deploy.artifacts.manifest import (
    MANIFEST_NAME,
    REPORT_NAME,
    Manifest,
    describe_file,
    read_manifest,
)
from vmamba_deploy.artifacts.remarks import remarks
from vmamba_deploy.artifacts.strict_json import parse_json
from vmamba_deploy.artifacts.verification import read_verified, verify
from vmamba_deploy.errors import InputFileError, printable
from vmamba_deploy.exporting.onnx_model import OnnxModel
from vmamba_deploy.files import open_file
from vmamba_deploy.models.checkpoints.choice import WeightsChoice
from vmamba_deploy.models.checkpoints.folders import checkpoint_file, is_checkpoint_folder
from vmamba_deploy.models.checkpoints.other_files import START_BYTES, other_kind_of
from vmamba_deploy.pipeline.info_library import describe_library

_ENGINE_SUFFIXES = {".engine", ".plan", ".trt"}
# What says that a checkpoint was meant: another file in its place is refused, with what to do.
_CHECKPOINT_SUFFIXES = {".bin", ".ckpt", ".pt", ".pth", ".safetensors"}


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
        described = _describe_folder(path, manifest)
        said = remarks(path, manifest)
        return described | {"remarks": said} if said else described
    suffix = path.suffix.lower()
    if suffix == ".onnx":
        return _describe_onnx(path)
    if suffix in _ENGINE_SUFFIXES:
        return _describe_engine(path)
    if path.is_file() and suffix not in _CHECKPOINT_SUFFIXES:
        return _describe_other(path) or _describe_checkpoint(path, choice)
    return _describe_checkpoint(path, choice)


def _describe_folder(path: Path, manifest: Manifest) -> dict[str, Any]:
    """The verdict and the task first, then the files."""
    facts = manifest.as_json()
    verdict = {key: facts[key] for key in ("status", "status_reason") if facts.get(key)}
    return {
        "kind": "artefact folder",
        **verdict,
        **_statement(path, manifest),
        "task": manifest.task,
        **{key: facts[key] for key in ("preset", "precision", "files")},
        **facts,
    }


def _statement(path: Path, manifest: Manifest) -> dict[str, str]:
    """What the report says was proven; nothing where there is none, or one of an older release."""
    if REPORT_NAME not in manifest.files:
        return {}
    try:
        report = parse_json(read_verified(path, manifest, REPORT_NAME))
    except ValueError:  # nothing is served from it: what it says is left out
        return {}
    said = report.get("statement") if isinstance(report, dict) else None
    return {"statement": printable(said)} if isinstance(said, str) else {}


def _describe_other(path: Path) -> dict[str, Any] | None:
    """What is neither a checkpoint nor an artefact, told from its content; None: it may be one."""
    with open_file(path, what="a file") as file:
        start = file.read(START_BYTES)
    if start.startswith(b"\x7fELF"):
        return describe_library(path)
    kind = other_kind_of(start)
    if kind is None or "checkpoint" in kind:  # an index of one is refused with what to do
        return None
    return {
        "kind": kind.partition(", ")[0],
        **msgspec.to_builtins(describe_file(path, InputFileError)),
        "note": "no checkpoint, ONNX file, engine or artefact folder",
    }


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
