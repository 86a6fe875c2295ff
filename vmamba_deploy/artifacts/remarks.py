"""What a person should know of an artefact folder, though it is what its manifest says."""

from __future__ import annotations

import stat
from pathlib import Path

from vmamba_deploy.artifacts.manifest import CODE_NAMES, MANIFEST_NAME, Manifest
from vmamba_deploy.files import shown


def remarks(folder: Path, manifest: Manifest) -> list[str]:
    """Files that the manifest does not list, and code that somebody else could change.

    Args:
        folder: verified.
        manifest: of the folder.
    """
    listed = {MANIFEST_NAME, *manifest.files}
    present = (path for path in folder.rglob("*") if not path.is_dir())
    others = {path.relative_to(folder).as_posix() for path in present} - listed
    said = [
        f"{shown(name)} is not listed in the manifest; nothing reads it" for name in sorted(others)
    ]
    said += changeable_by_anyone(folder, manifest)
    for name in _code(folder, manifest):
        if (folder / name).stat().st_nlink > 1:
            said.append(f"{name} has a second name (a hard link), through which it can be changed")
    return said


def changeable_by_anyone(folder: Path, manifest: Manifest) -> list[str]:
    """The ways by which any user of this machine can change the code of a folder."""
    names = _code(folder, manifest)
    said = [
        f"any user of this machine can change {shown(folder / name)}, which is code: chmod o-w"
        for name in names
        if (folder / name).stat().st_mode & stat.S_IWOTH
    ]
    mode = folder.stat().st_mode
    if names and mode & stat.S_IWOTH and not mode & stat.S_ISVTX:
        said.append(f"any user of this machine can replace the code in {shown(folder)}: chmod o-w")
    return said


def _code(folder: Path, manifest: Manifest) -> list[str]:
    """The code that is there: of what is missing, `verify` tells."""
    return [name for name in CODE_NAMES if name in manifest.files and (folder / name).exists()]
