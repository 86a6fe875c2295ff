"""Folders that are given in a checkpoint's place: the one file in them that is the checkpoint."""

from __future__ import annotations

from pathlib import Path

from vmamba_deploy.errors import InputFileError
from vmamba_deploy.files import shown

# Of the Hugging Face hub; what an index of several files is, its reader says.
_NAMES = ("model.safetensors", "pytorch_model.bin")
_INDEX_NAMES = tuple(f"{name}.index.json" for name in _NAMES)
_SUFFIXES = {".safetensors", ".pth", ".pt", ".bin", ".ckpt"}
_LISTED = 4


def is_checkpoint_folder(path: Path) -> bool:
    """Whether a folder is one as the Hugging Face hub has, or an unpacked checkpoint."""
    entries = _entries(path)
    return _hub_file(entries) is not None or _is_unpacked(entries)


def checkpoint_file(path: Path) -> Path:
    """The path itself or, of a folder as the Hugging Face hub has, the checkpoint in it.

    Raises:
        InputFileError: the folder has no such file.
    """
    entries = _entries(path)
    found = _hub_file(entries)
    if found is not None or not entries:
        return found or path
    if _is_unpacked(entries):
        raise InputFileError(
            f"{shown(path)} is an unpacked checkpoint, a folder with data.pkl and the numbers; a "
            "checkpoint is a file.",
            hint="Get the file again and leave it packed, or pack the folder without compression: "
            "zip -0 -r checkpoint.pth FOLDER",
        )
    others = [shown(entry.name) for entry in entries if entry.suffix in _SUFFIXES]
    such_as = f", such as {', '.join(others[:_LISTED])}" if others else ""
    raise InputFileError(
        f"{shown(path)} is a folder without {' or '.join(_NAMES)}; a checkpoint is a file.",
        hint=f"Give the path of a file{such_as}.",
    )


def _entries(path: Path) -> list[Path]:
    """What is in a folder; nothing where it is none or cannot be read, for its reader says so."""
    try:
        return sorted(path.iterdir())
    except (OSError, ValueError):
        return []


def _hub_file(entries: list[Path]) -> Path | None:
    named = {entry.name: entry for entry in entries}
    return next((named[name] for name in (*_NAMES, *_INDEX_NAMES) if name in named), None)


def _is_unpacked(entries: list[Path]) -> bool:
    within = [part.name for entry in entries for part in _entries(entry)]
    return "data.pkl" in (entry.name for entry in entries) or "data.pkl" in within
