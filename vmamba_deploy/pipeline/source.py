"""What a path that a user names stands for: an ONNX file, or an artefact folder with one."""

from __future__ import annotations

from pathlib import Path

from vmamba_deploy.artifacts.engine_facts import EngineFacts
from vmamba_deploy.artifacts.manifest import ENGINE_NAME, MANIFEST_NAME, read_manifest
from vmamba_deploy.artifacts.verification import verify
from vmamba_deploy.errors import InputFileError, IntegrityError


def has_manifest(path: Path) -> bool:
    """Whether a path is a folder with a manifest."""
    return path.is_dir() and (path / MANIFEST_NAME).exists()


def onnx_file_of(path: Path) -> Path:
    """The ONNX file itself, or that of an artefact folder, whose manifest is verified first.

    Raises:
        InputFileError: no such file or folder, or a folder without an ONNX file.
        IntegrityError: the folder is not what its manifest says.
    """
    if not path.exists():
        raise InputFileError(f"there is no file or folder {path}")
    if not path.is_dir():
        return path
    if has_manifest(path):
        verify(path)
    files = sorted(path.glob("*.onnx"))
    if len(files) != 1:
        raise InputFileError(
            f"{path} holds {len(files)} ONNX files, expected one", hint="name the file itself"
        )
    return files[0]


def engine_of(path: Path) -> EngineFacts:
    """The engine as the folder's manifest describes it; a lone ONNX file has none.

    Raises:
        IntegrityError: the manifest describes one that it does not list.
    """
    if not has_manifest(path):
        return EngineFacts(built=False, reason="no manifest describes one")
    engine = read_manifest(path).engine
    if engine.built and not (path / ENGINE_NAME).is_file():
        raise IntegrityError(f"the manifest of {path} describes an engine that it does not list")
    return engine
