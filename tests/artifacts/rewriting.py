"""Manifests of folders that a test has changed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec

from vmamba_deploy.artifacts.manifest import Description, read_manifest, write_manifest


def rewrite(folder: Path, **changes: Any) -> None:
    """Describe the files of a folder as they are now; its manifest says `changes` otherwise."""
    fields = read_manifest(folder).as_json() | changes
    described = {name: fields[name] for name in Description.__struct_fields__ if name in fields}
    write_manifest(folder, msgspec.convert(described, Description))
