"""manifest.json: what the files of an artefact folder are, and whether they still are that.

Its shape is manifest.schema.json beside this file. Loading starts with `verify`, so that a changed
file, or an engine for another TensorRT or GPU, is refused before TensorRT reads a byte of it.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import cache
from pathlib import Path, PurePosixPath
from typing import Any

from vmamba_deploy.artifacts.atomic import PARTIAL_PREFIX, atomic_write
from vmamba_deploy.errors import IntegrityError

MANIFEST_NAME = "manifest.json"
SCHEMA_VERSION = 1

_REBUILD = "export again, or build an engine for this machine with `vmamba-deploy build`"
_MAX_MANIFEST_BYTES = 16 << 20

Manifest = dict[str, Any]
"""A document that is valid under manifest.schema.json."""


def write_manifest(folder: Path, description: Mapping[str, Any]) -> Manifest:
    """Describe every file of `folder` in its manifest.json.

    Args:
        folder: holds the artefacts; each gets its sha256 and size.
        description: the other fields of the schema; `schema_version`, `created` and `files` are
            filled in here.

    Raises:
        IntegrityError: the description does not fit the schema.
    """
    manifest: Manifest = {
        "schema_version": SCHEMA_VERSION,
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "status_reason": None,
        **description,
        "files": {name: describe_file(folder / name) for name in _artefacts(folder)},
    }
    _check(manifest, folder / MANIFEST_NAME)
    with atomic_write(folder / MANIFEST_NAME) as temporary:
        temporary.write_text(json.dumps(manifest, indent=2, sort_keys=True) + "\n")
    return manifest


def read_manifest(folder: Path) -> Manifest:
    """Read and validate the manifest of a folder; the files it names are not looked at.

    Raises:
        IntegrityError: absent, not JSON, another schema version, or a file name that leaves the
            folder.
    """
    path = folder / MANIFEST_NAME
    try:
        if path.stat().st_size > _MAX_MANIFEST_BYTES:
            raise IntegrityError(f"{path} is too large to be a manifest")
        manifest = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise IntegrityError(f"{folder} has no {MANIFEST_NAME}") from error
    except (OSError, ValueError, RecursionError) as error:
        raise IntegrityError(f"{path} cannot be read: {error}") from error
    _check(manifest, path)
    for name in manifest["files"]:
        _inside(folder, name)
    return dict(manifest)


def verify(
    folder: Path,
    *,
    flavour: str | None = None,
    flavour_version: str | None = None,
    compute_capability: str | None = None,
) -> Manifest:
    """Check the folder's files, and its engine against this machine where that is given.

    Args:
        folder: an artefact folder.
        flavour: the TensorRT that will load the engine: `tensorrt` or `tensorrt_rtx`.
        flavour_version: its version, "1.7.1.116".
        compute_capability: of the GPU that will run it, "8.6".

    Returns:
        The manifest.

    Raises:
        IntegrityError: a file is changed or missing, the export failed its own checks, or the
            engine is for another flavour, version or GPU; the message says which and what was
            expected.
    """
    manifest = read_manifest(folder)
    if manifest["status"] == "failed":
        raise IntegrityError(
            f"the artefacts in {folder} are marked as failed: {manifest['status_reason']}",
            hint="look at report.html, and do not deploy them",
        )
    for name, expected in manifest["files"].items():
        _verify_file(_inside(folder, name), name, expected)
    if any(wanted is not None for wanted in (flavour, flavour_version, compute_capability)):
        _verify_engine(manifest["engine"], flavour, flavour_version, compute_capability)
    return manifest


def listed_files(folder: Path) -> set[str]:
    """The names of the files that belong to the artefacts of `folder`, manifest.json included."""
    return {MANIFEST_NAME, *read_manifest(folder)["files"]}


def describe_file(path: Path) -> dict[str, Any]:
    """The sha256 and the size of a file."""
    with path.open("rb") as stream:
        digest = hashlib.file_digest(stream, "sha256").hexdigest()
    return {"sha256": digest, "size_bytes": path.stat().st_size}


def _artefacts(folder: Path) -> list[str]:
    names = (
        path.relative_to(folder).as_posix()
        for path in folder.rglob("*")
        if path.is_file() and not path.name.startswith(PARTIAL_PREFIX)
    )
    return sorted(name for name in names if name != MANIFEST_NAME)


def _verify_file(path: Path, name: str, expected: Mapping[str, Any]) -> None:
    if not path.is_file():
        raise IntegrityError(f"{name} is missing from {path.parent}", hint="export again")
    size = path.stat().st_size
    if size != expected["size_bytes"]:
        raise IntegrityError(
            f"{name} has {size} bytes, the manifest says {expected['size_bytes']}",
            hint="the file was changed or cut short; copy the whole folder again, or export again",
        )
    digest = describe_file(path)["sha256"]
    if digest != expected["sha256"]:
        raise IntegrityError(
            f"{name} has sha256 {digest[:16]}..., the manifest says {expected['sha256'][:16]}...",
            hint="the file was changed after the export; do not load it",
        )


def _verify_engine(
    engine: Mapping[str, Any],
    flavour: str | None,
    version: str | None,
    compute_capability: str | None,
) -> None:
    if not engine["built"]:
        raise IntegrityError(f"this folder has no engine: {engine['reason']}", hint=_REBUILD)
    if flavour is not None and flavour != engine["flavour"]:
        raise IntegrityError(
            f"the engine is for {engine['flavour']}, this machine has {flavour}", hint=_REBUILD
        )
    if version is not None and not _version_fits(engine, version):
        raise IntegrityError(
            f"the engine was built by {engine['flavour']} {engine['version']}, this machine has "
            f"{version}",
            hint=_REBUILD,
        )
    targets = engine["compute_capabilities"]
    if compute_capability is not None and not _gpu_fits(engine, compute_capability):
        raise IntegrityError(
            f"the engine is for GPUs of compute capability {', '.join(targets)}, this one has "
            f"{compute_capability}",
            hint=_REBUILD,
        )


def _version_fits(engine: Mapping[str, Any], version: str) -> bool:
    """Exact, unless built version-compatible: then the same or a later major version reads it."""
    if version == engine["version"]:
        return True
    built, here = _as_numbers(str(engine["version"])), _as_numbers(version)
    return bool(engine.get("version_compatible", False)) and here[:1] >= built[:1]


def _gpu_fits(engine: Mapping[str, Any], compute_capability: str) -> bool:
    """Listed, or newer than the oldest listed when hardware-compatible; an empty list fits any."""
    targets: list[str] = engine["compute_capabilities"]
    if not targets or compute_capability in targets:
        return True
    oldest = min(_as_numbers(target) for target in targets)
    return bool(engine.get("hardware_compatible", False)) and (
        _as_numbers(compute_capability) >= oldest
    )


def _as_numbers(dotted: str) -> tuple[int, ...]:
    return tuple(int(part) for part in dotted.split(".") if part.isdigit())


def _inside(folder: Path, name: str) -> Path:
    """The path of a listed file; a name that leads out of the folder is refused."""
    pure = PurePosixPath(name)
    path = folder / name
    escapes = pure.is_absolute() or ".." in pure.parts or "\\" in name
    if escapes or not path.resolve().is_relative_to(folder.resolve()):
        raise IntegrityError(f"the manifest names a file outside its folder: {name!r}")
    return path


def _check(manifest: Any, path: Path) -> None:
    version = manifest.get("schema_version") if isinstance(manifest, dict) else None
    if version != SCHEMA_VERSION:
        raise IntegrityError(
            f"{path} has schema version {version!r}, this release reads {SCHEMA_VERSION}",
            hint="use the release that wrote it, or export again",
        )
    error = next(iter(sorted(_validator().iter_errors(manifest), key=lambda e: e.json_path)), None)
    if error is not None:
        raise IntegrityError(f"{path} does not fit its schema: {error.json_path}: {error.message}")


@cache
def _validator() -> Any:
    from jsonschema import Draft202012Validator

    schema = json.loads(Path(__file__).with_name("manifest.schema.json").read_text())
    return Draft202012Validator(schema)
