"""Artefact folders to package: the digits model, and it with an engine of the full TensorRT."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.artifacts.rewriting import rewrite

ENGINE = {
    "built": True,
    "reason": None,
    "flavour": "tensorrt",
    "version": "10.14.1.48",
    "compute_capabilities": ["8.6"],
    "plugin_layers": 2,
    "profile": {"min": [1, 3, 32, 32], "opt": [8, 3, 32, 32], "max": [24, 3, 32, 32]},
    "plugin": {
        "name": "SelectiveScan2D",
        "version": "1",
        "namespace": "vmamba",
        "delivery": "beside",
    },
}


@pytest.fixture(scope="session")
def digits(digits_artifact) -> Path:
    """The digits model in fp32; no engine, which needs TensorRT-RTX here."""
    return digits_artifact(engine=False)


@pytest.fixture
def altered(digits, tmp_path) -> Callable[..., Path]:
    """A copy of the artefacts whose manifest says something else, and fits its files again."""

    def alter(*, files: dict[str, bytes] | None = None, **fields: Any) -> Path:
        folder = tmp_path / "altered"
        shutil.copytree(digits, folder)
        for name, content in (files or {}).items():
            (folder / name).write_bytes(content)
        rewrite(folder, **fields)
        return folder

    return alter


@pytest.fixture
def with_engine(altered) -> Callable[..., Path]:
    """Artefacts with an engine of the full TensorRT, which this machine cannot build."""

    def alter(**engine: Any) -> Path:
        files = {"model.engine": b"a plan", "libvmamba_trt.so": b"a plugin"}
        return altered(files=files, engine=ENGINE | engine)

    return alter
