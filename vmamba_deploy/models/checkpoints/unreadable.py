"""Tensors of a read checkpoint that cannot be had: of other kinds, or within somebody's objects."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from vmamba_deploy.errors import InputFileError, printable
from vmamba_deploy.files import shown
from vmamba_deploy.models.checkpoints.stand_in import StandIn
from vmamba_deploy.models.checkpoints.stored import StoredTensor

CLEAN_FILE = (
    "Where the file was made, write the weights alone: "
    'torch.save({"model": model.state_dict()}, "clean.pth")'
)
_OTHER_TENSORS = ("torch._utils._rebuild", "torch._tensor._rebuild")


def refuse_configuration(path: Path, says: str, refused: Iterable[str]) -> None:
    """Refuse a file whose configuration is of a network that is not computed here.

    Args:
        path: of the file.
        says: what it is, after its name.
        refused: what it says, a line each; without any the file is taken.

    Raises:
        InputFileError: with the lines.
    """
    if lines := "\n".join(f"  {line}" for line in refused):
        raise InputFileError(
            f"{shown(path)} {says}; nothing was loaded.\n{lines}",
            hint=f"If the configuration is not that of the weights: {CLEAN_FILE}",
        )


def refuse_other_tensors(tree: object, path: Path) -> None:
    """Refuse sparse, quantised and other tensors that are more than numbers in memory.

    Raises:
        InputFileError: one stands in the file's dict, or in a dict within it.
    """
    outer = tree if isinstance(tree, dict) else {}
    for group in (outer, *outer.values()):
        for name, value in group.items() if isinstance(group, dict) else ():
            if isinstance(value, StandIn) and value.name.startswith(_OTHER_TENSORS):
                raise InputFileError(
                    f"{shown(path)}: '{printable(str(name))}' is not a plain tensor of "
                    f"floating-point numbers: PyTorch makes it with {printable(value.name)}.",
                    hint=CLEAN_FILE,
                )


def refuse_tensors_within_objects(tree: object, path: Path) -> None:
    """Refuse a file that has no tensors but within objects of classes that are not known.

    Raises:
        InputFileError: it has such objects, and no tensors outside of them.
    """
    met, seen = list(_reached(tree, set())), set[int]()
    if any(isinstance(value, StoredTensor) for value in met):
        return
    for value in met:
        if isinstance(value, StandIn) and any(
            isinstance(within, StoredTensor) for within in _reached(value, seen, within=True)
        ):
            raise InputFileError(
                f"{shown(path)} holds its tensors within an object of the class "
                f"'{printable(value.name)}', and objects are not made from a file.",
                hint=CLEAN_FILE,
            )


def _reached(start: object, seen: set[int], *, within: bool = False) -> Iterator[object]:
    """What a part of a tree holds, also within objects, but for what was seen before."""
    ahead = [start]
    while ahead:
        value = ahead.pop()
        if id(value) in seen:
            continue
        seen.add(id(value))
        yield value
        if isinstance(value, dict):
            ahead += value.values()
        elif isinstance(value, list | tuple):
            ahead += value
        elif isinstance(value, StandIn) and within:
            ahead += (value.arguments, value.state, value.items)
