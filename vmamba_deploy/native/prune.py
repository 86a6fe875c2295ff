"""Removing old builds."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path

LIBRARIES_KEPT = 16
TREES_KEPT = 3


def prune_builds(folder: Path, *, keep: Sequence[Path]) -> None:
    """Remove all but the most recently used libraries and CMake trees; `keep` always stays."""
    entries = [path for path in folder.iterdir() if path.is_dir() and path not in keep]
    entries.sort(key=lambda path: path.stat().st_mtime, reverse=True)
    trees = [path for path in entries if path.name.startswith("tree-")]
    libraries = [path for path in entries if not path.name.startswith("tree-")]
    for old in trees[TREES_KEPT:] + libraries[LIBRARIES_KEPT:]:
        shutil.rmtree(old, ignore_errors=True)
