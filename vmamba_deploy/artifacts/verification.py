"""Whether the files of an artefact folder are what its manifest says.

Loading starts here, so that a changed file, or an engine for another TensorRT or GPU, is refused
before TensorRT reads a byte of it.
"""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

from vmamba_deploy.artifacts.manifest import (
    CODE_NAMES,
    MANIFEST_NAME,
    FileFacts,
    Manifest,
    content_sha256,
    path_inside,
    read_manifest,
)
from vmamba_deploy.errors import IntegrityError
from vmamba_deploy.files import open_file, read_file, shown

REBUILD_HINT = "export again, or build an engine for this machine with `vmamba-deploy build`"


def verify(
    folder: Path,
    *,
    flavour: str | None = None,
    version: str | None = None,
    compute_capability: str | None = None,
) -> Manifest:
    """Check the folder's files, and its engine against this machine where that is given.

    A listed file may be a link: its content is what is checked. Files that are not listed do not
    matter, unless they are code that a runtime would load.

    Args:
        folder: an artefact folder.
        flavour: the TensorRT that will load the engine: `tensorrt` or `tensorrt_rtx`.
        version: its version, "1.7.1.116".
        compute_capability: of the GPU that will run it, "8.6".

    Returns:
        The manifest.

    Raises:
        IntegrityError: a file is changed or missing, the export failed its own checks, or the
            engine is for another flavour, version or GPU; the message says which and what was
            expected.
    """
    manifest = read_manifest(folder)
    if manifest.status == "failed":
        raise IntegrityError(
            f"the artefacts in {shown(folder)} are marked as failed: {manifest.status_reason}",
            hint="look at report.html, and do not deploy them",
        )
    for name in manifest.files:
        verify_file(folder, manifest, name)
    _require_code_listed(folder, manifest)
    if any(asked is not None for asked in (flavour, version, compute_capability)):
        reason = manifest.engine.fits(
            flavour=flavour, version=version, compute_capability=compute_capability
        )
        if reason is not None:
            raise IntegrityError(reason, hint=REBUILD_HINT)
    return manifest


def verify_file(folder: Path, manifest: Manifest, name: str) -> Path:
    """The path of a file whose content is what the manifest says.

    Raises:
        IntegrityError: not listed, missing, no regular file, or another content.
    """
    expected, path = manifest.listed(folder, name), path_inside(folder, name)
    if not path.exists():
        raise IntegrityError(f"{name} is missing from {shown(path.parent)}", hint="export again")
    with open_file(path, what="an artefact", error=IntegrityError) as file:
        size = os.fstat(file.fileno()).st_size
        if size != expected.size_bytes:  # before a larger one is read
            raise _other_size(name, size, expected)
        if (digest := content_sha256(path, file)) != expected.sha256:
            raise _other_content(name, digest, expected)
    return path


def read_verified(folder: Path, manifest: Manifest, name: str) -> bytes:
    """The content of a listed file: what was checked is what the caller then loads.

    Raises:
        IntegrityError: see `verify_file`.
    """
    expected = manifest.listed(folder, name)
    content = read_file(
        path_inside(folder, name),
        what="an artefact",
        limit_bytes=expected.size_bytes,
        error=IntegrityError,
    )
    if (digest := hashlib.sha256(content).hexdigest()) != expected.sha256:
        raise _other_content(name, digest, expected)
    return content


def require_files(folder: Path, manifest: Manifest) -> None:
    """Check that each listed file is one, so that no reader hangs on it; its content is not read.

    Raises:
        IntegrityError: one is missing, or is a pipe, a device or a folder.
    """
    for name in manifest.files:
        with open_file(path_inside(folder, name), what="an artefact", error=IntegrityError):
            pass
    _require_code_listed(folder, manifest)


def listed_files(folder: Path) -> set[str]:
    """The names of the files that belong to the artefacts of `folder`, manifest.json included."""
    return {MANIFEST_NAME, *read_manifest(folder).files}


def _require_code_listed(folder: Path, manifest: Manifest) -> None:
    """Refuse a library or engine that a runtime would load and the manifest does not vouch for."""
    for name in CODE_NAMES:
        if name not in manifest.files and os.path.lexists(folder / name):
            raise IntegrityError(
                f"{name} lies in {shown(folder)}, and the manifest does not list it",
                hint="it would be executed: remove it, or copy the whole folder again",
            )


def _other_size(name: str, size: int, expected: FileFacts) -> IntegrityError:
    return IntegrityError(
        f"{name} has {size} bytes, the manifest says {expected.size_bytes}",
        hint="the file was changed or cut short; copy the whole folder again, or export again",
    )


def _other_content(name: str, digest: str, expected: FileFacts) -> IntegrityError:
    return IntegrityError(
        f"{name} has sha256 {digest[:16]}..., the manifest says {expected.sha256[:16]}...",
        hint="the file was changed after the export; do not load it",
    )
