"""vmamba.json in each model folder: which files are ours, so that nothing else is replaced."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from vmamba_deploy.artifacts.manifest import describe_file
from vmamba_deploy.errors import UsageError

RECORD_NAME = "vmamba.json"
_SCHEMA_VERSION = 1
_MAX_RECORD_BYTES = 1 << 20


def write_record(folder: Path, description: Mapping[str, Any]) -> None:
    """List the files of a model folder with size and sha256, beside what `description` says."""
    files = {
        path.relative_to(folder).as_posix(): msgspec.to_builtins(describe_file(path))
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }
    record = {"schema_version": _SCHEMA_VERSION, **description, "files": files}
    text = json.dumps(record, indent=2, sort_keys=True) + "\n"
    (folder / RECORD_NAME).write_text(text, encoding="utf-8")


def owned_package(folder: Path) -> str | None:
    """The package that a model folder belongs to; None if it has no record of ours."""
    record = _read(folder)
    return None if record is None else str(record["package"])


def refuse_foreign_model(folder: Path) -> None:
    """Raise UsageError unless every file of the folder is in its record."""
    record = _read(folder)
    if record is None:
        raise UsageError(
            f"{folder} is a model that this tool did not write",
            hint="choose another --name, or another repository",
        )
    present = {
        path.relative_to(folder).as_posix()
        for path in folder.rglob("*")
        # A server that ran here left compiled Python.
        if not path.is_dir() and path.parent.name != "__pycache__"
    }
    if foreign := sorted(present - {RECORD_NAME, *record["files"]}):
        raise UsageError(
            f"{folder} holds files that this tool did not write: {', '.join(foreign[:5])}",
            hint="move them elsewhere, or choose another --name",
        )


def _read(folder: Path) -> dict[str, Any] | None:
    path = folder / RECORD_NAME
    try:
        if path.stat().st_size > _MAX_RECORD_BYTES:
            return None
        record = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return None
    known = isinstance(record, dict) and record.get("schema_version") == _SCHEMA_VERSION
    whole = known and isinstance(record.get("files"), dict) and "package" in record
    return record if whole else None
