"""Reading a checkpoint file of any supported format into named tensors."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping
from pathlib import Path

from torch import Tensor

from vmamba_deploy.errors import InputFileError, printable
from vmamba_deploy.files import open_file, shown
from vmamba_deploy.models.checkpoints.choice import WeightsChoice
from vmamba_deploy.models.checkpoints.contents import (
    CheckpointContents,
    unwrap,
)
from vmamba_deploy.models.checkpoints.limits import (
    MAX_FILE_BYTES,
    MAX_NAME_CHARACTERS,
    MAX_TENSORS,
)
from vmamba_deploy.models.checkpoints.other_files import START_BYTES, refuse_other_file
from vmamba_deploy.models.checkpoints.pickled import read_pickled
from vmamba_deploy.models.checkpoints.safe import read_safetensors
from vmamba_deploy.models.checkpoints.stored import StoredTensor
from vmamba_deploy.models.checkpoints.unreadable import refuse_tensors_within_objects


def read_checkpoint(path: Path, choice: WeightsChoice | None = None) -> CheckpointContents:
    """Read the weights of a checkpoint: safetensors, or any published `torch.save` layout.

    The format is told from the content, not from the name. No numbers are read yet.

    Raises:
        InputFileError: no such file, a damaged or hostile one, or one without weights.
    """
    with open_file(path, what="a checkpoint", limit_bytes=MAX_FILE_BYTES) as file:
        start = file.read(START_BYTES)
        size = os.fstat(file.fileno()).st_size
    if not start:
        raise InputFileError(f"{shown(path)} is empty; a checkpoint was expected.")
    # A safetensors file begins with the size of its header, which is below 4 GiB, and the header.
    if start[4:9] == b"\0\0\0\0{":
        contents = read_safetensors(path, int.from_bytes(start[:8], "little"), choice)
    else:
        refuse_other_file(path, start)
        contents = _unwrapped(read_pickled(path), path, choice)
    _check(path, contents.stored, size, integers=bool(choice and choice.names))
    return contents


def _unwrapped(tree: object, path: Path, choice: WeightsChoice | None) -> CheckpointContents:
    try:
        return unwrap(tree, path, choice)
    except InputFileError:
        # Of the two reasons why there are no weights, the one that the user can act on.
        refuse_tensors_within_objects(tree, path)
        raise


def _check(
    path: Path, stored: Mapping[str, StoredTensor], size: int, *, integers: bool = False
) -> None:
    """Refuse more than a checkpoint has, and what is not plain numbers in memory.

    Networks of ours have integers in counters alone; with `integers` there may be tensors of them.

    Raises:
        InputFileError: too many, too large or too strangely named tensors, or one that is not of
            floating-point numbers, each with a place of its own in the file.
    """
    if len(stored) > MAX_TENSORS:
        raise InputFileError(f"{shown(path)} has {len(stored):,} tensors; at most {MAX_TENSORS:,}.")
    claimed = 0
    for name, tensor in stored.items():
        if len(name) > MAX_NAME_CHARACTERS:
            raise InputFileError(
                f"{shown(path)} has a tensor with a name of {len(name):,} characters."
            )
        claimed += _check_tensor(path, name, tensor.meta, size, integers=integers)
    # A tensor may be saved under two names.
    if claimed > 2 * size:
        raise InputFileError(
            f"{shown(path)} has {size:,} bytes, but its tensors claim {claimed:,} together."
        )


def _check_tensor(path: Path, name: str, meta: Tensor, size: int, *, integers: bool) -> int:
    """The bytes that a tensor takes; see `_check`."""
    numbers = math.prod(meta.shape)
    bytes_taken = numbers * meta.element_size()
    # Views that repeat few numbers can claim any size, and so can empty tensors.
    own_place = bytes_taken <= meta.untyped_storage().nbytes() and all(
        side <= size for side in meta.shape
    )
    is_counter = (integers or numbers <= 1) and not meta.is_complex()
    if not own_place or not (meta.is_floating_point() or is_counter):
        raise InputFileError(
            f"{shown(path)}: '{printable(name)}' is not a plain tensor of floating-point numbers "
            f"(dtype {meta.dtype}, shape {tuple(meta.shape)})."
        )
    return bytes_taken
