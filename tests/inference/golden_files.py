"""ONNX files of networks with golden data, each written once for all workers of a run."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from tests.kept import kept


def exported_once(
    run_folder: Path, family: str, name: str, export: Callable[[str, Path], None]
) -> Path:
    """The file that `export` writes for the network of that name."""

    def make(folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        export(name, folder / "model.onnx")

    return kept(run_folder / family, name, make) / "model.onnx"
