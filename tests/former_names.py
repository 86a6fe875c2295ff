"""A backbone's folder as older releases wrote it."""

from __future__ import annotations

import shutil
from pathlib import Path

import onnx

from tests.artifacts.rewriting import rewrite
from vmamba_deploy.artifacts.manifest import read_manifest
from vmamba_deploy.tasks import FEATURES


def write_former_names(folder: Path, older: Path) -> None:
    """A copy of a backbone's folder, without an engine, with the outputs' former names."""
    shutil.copytree(folder, older, ignore=shutil.ignore_patterns("*.engine", "*.pt2"))
    model = onnx.load(older / "model.onnx")
    former = dict(zip(FEATURES.output_names, FEATURES.former_names, strict=True))
    for node in model.graph.node:
        node.output[:] = [former.get(name, name) for name in node.output]
    for output in model.graph.output:
        output.name = former[output.name]
    onnx.save(model, older / "model.onnx")
    fields = read_manifest(folder).as_json()
    for output in fields["onnx"]["outputs"]:
        output["name"] = former[output["name"]]
    rewrite(older, onnx=fields["onnx"], engine={"built": False, "reason": "none"})
