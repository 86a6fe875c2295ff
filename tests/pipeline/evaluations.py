"""What tests of evaluations share: plans over the digits model, and figures without the moment."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import onnx
from onnx import numpy_helper

from tests.artifacts.rewriting import rewrite

MOMENT = ("created", "run", "timing", "made_with")
"""Keys of evaluation.json that say when and where a run was made."""


def lasting(folder: Path) -> dict:
    """What evaluation.json says of the artefact and the data alone."""
    content = json.loads((folder / "evaluation.json").read_text())
    return {key: value for key, value in content.items() if key not in MOMENT}


def done(folder: Path) -> list[int]:
    """Indices of the images in the journal, line by line."""
    lines = (folder / "journal.jsonl").read_bytes().splitlines(keepends=True)[1:]
    return [json.loads(line)["index"] for line in lines if line.endswith(b"\n")]


def damaged_copy(artifact: Path, folder: Path, *, value: float = 0.0) -> Path:
    """The artefact with one weight tensor overwritten, and a manifest that fits.

    It is the projection that steers the last scan; some images change class without it, most do
    not. What a faulty converter would write: every checksum is right, the numbers are not.
    """
    shutil.copytree(artifact, folder)
    model = onnx.load(str(folder / "model.onnx"))
    (victim,) = (
        one for one in model.graph.initializer if "layers.3" in one.name and "x_proj" in one.name
    )
    overwritten = np.full_like(numpy_helper.to_array(victim), value)
    victim.CopyFrom(numpy_helper.from_array(overwritten, victim.name))
    onnx.save(model, str(folder / "model.onnx"))
    rewrite(folder)
    return folder
