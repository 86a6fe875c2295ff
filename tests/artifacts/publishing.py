"""A small artefact folder, written as a run writes it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from vmamba_deploy.artifacts.manifest import Description, write_manifest
from vmamba_deploy.artifacts.output_folder import open_output_folder

DESCRIPTION: dict[str, Any] = {
    "status": "complete",
    "preset": "custom",
    "precision": "fp32",
    "weights": {"source": "random", "sha256": "0" * 64},
    "versions": {},
    "onnx": {
        "opset": 20,
        "op_sets": {},
        "inputs": [{"name": "pixel_values", "dtype": "float32", "shape": [1, 3, 224, 224]}],
        "outputs": [{"name": "logits", "dtype": "float32", "shape": [1, 1000]}],
    },
    "engine": {"built": False, "reason": "not asked for"},
    "preprocessing": {
        "mean": [0, 0, 0],
        "std": [1, 1, 1],
        "crop_pixels": [224, 224],
        "resize_pixels": 256,
        "interpolation": "bicubic",
    },
    "labels": None,
}


def publish(target: Path, content: Mapping[str, bytes]) -> None:
    """Make files with this content, and their manifest, the content of a folder."""
    with open_output_folder(target) as output:
        for name, data in content.items():
            (output.staging / name).parent.mkdir(exist_ok=True)
            (output.staging / name).write_bytes(data)
        write_manifest(output.staging, msgspec.convert(DESCRIPTION, Description))
        output.publish()


def visible(folder: Path) -> list[str]:
    return sorted(entry.name for entry in folder.iterdir())
