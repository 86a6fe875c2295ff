"""A small network of each family, loaded once from the golden checkpoints."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from vmamba_deploy.exporting.onnx_file import export_onnx
from vmamba_deploy.exporting.options import ExportOptions
from vmamba_deploy.models import LoadedModel, load_weights

GOLDEN = Path(__file__).parents[1] / "data" / "golden"


@pytest.fixture(scope="session", params=["v0", "s2", "s1"])
def golden(request) -> LoadedModel:
    return load_weights(str(GOLDEN / f"vssm_{request.param}.pth"))


@pytest.fixture(scope="session")
def small() -> LoadedModel:
    return load_weights(str(GOLDEN / "vssm_s1.pth"))


@pytest.fixture(scope="session")
def golden_folder() -> Path:
    return GOLDEN


@pytest.fixture(scope="session")
def backbone() -> LoadedModel:
    return load_weights(str(GOLDEN / "vssm_s1_backbone.pth"))


@pytest.fixture(scope="session")
def exported(tmp_path_factory) -> Callable[..., Path]:
    """Export a network with options; tracing takes seconds, so equal requests share a file."""
    files: dict[Any, Path] = {}

    def export(loaded: LoadedModel, **options: Any) -> Path:
        chosen = replace(ExportOptions(image_size=64), **options)
        key = (loaded.sha256, chosen)
        if key not in files:
            files[key] = tmp_path_factory.mktemp("exported") / "model.onnx"
            export_onnx(loaded, files[key], chosen)
        return files[key]

    return export
