"""From what a user names - a file or an artefact folder - to the file that is meant."""

from __future__ import annotations

from pathlib import Path

from vmamba_deploy.artifacts.manifest import MANIFEST_NAME, verify
from vmamba_deploy.errors import InputFileError


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
    if (path / MANIFEST_NAME).exists():
        verify(path)
    files = sorted(path.glob("*.onnx"))
    if len(files) != 1:
        raise InputFileError(
            f"{path} holds {len(files)} ONNX files, expected one", hint="name the file itself"
        )
    return files[0]
