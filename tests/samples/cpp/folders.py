"""Artefact folders with something changed."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec

from vmamba_deploy.artifacts.manifest import describe_file

Edit = Callable[[dict[str, Any]], object]


def changed(folder: Path, copy: Path, edit: Edit = lambda manifest: None) -> Path:
    """A copy of a folder whose manifest `edit` has changed; hashes are those of the files."""
    shutil.copytree(folder, copy)
    return rewritten(copy, edit)


def rewritten(folder: Path, edit: Edit = lambda manifest: None) -> Path:
    """The folder with its manifest brought up to date with its files, and edited."""
    path = folder / "manifest.json"
    manifest = json.loads(path.read_text())
    for name in manifest["files"]:
        if (folder / name).is_file():
            manifest["files"][name] = msgspec.to_builtins(describe_file(folder / name))
    edit(manifest)
    path.write_text(json.dumps(manifest))
    return folder
