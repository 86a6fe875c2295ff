"""Reading a checkpoint file of any supported format into named tensors."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor

from vmamba_deploy.errors import InputFileError, printable
from vmamba_deploy.models.checkpoints.contents import (
    CheckpointContents,
    as_class_labels,
    unwrap,
)
from vmamba_deploy.models.checkpoints.pickled import DAMAGED_FILE_ERRORS, read_pickled

_HASH_BLOCK_BYTES = 1 << 20


def file_sha256(path: Path) -> str:
    """Return the sha256 of a file in hexadecimal.

    Raises:
        InputFileError: the file cannot be read.
    """
    digest = hashlib.sha256()
    try:
        with path.open("rb") as file:
            while block := file.read(_HASH_BLOCK_BYTES):
                digest.update(block)
    except OSError as error:
        raise _unreadable(path, error) from error
    return digest.hexdigest()


def read_checkpoint(path: Path) -> CheckpointContents:
    """Read the weights of a checkpoint: safetensors, or any published `torch.save` layout.

    The format is told from the content, not from the name.

    Raises:
        InputFileError: no such file, a damaged or hostile one, or one without weights.
    """
    try:
        with path.open("rb") as file:
            start = file.read(9)
    except OSError as error:
        raise _unreadable(path, error) from error
    if not start:
        raise InputFileError(f"{path} is empty; a checkpoint was expected.")
    is_safetensors = len(start) == 9 and start[8:] == b"{" and start[:2] != b"PK"
    contents = _read_safetensors(path) if is_safetensors else unwrap(read_pickled(path), path)
    for name, tensor in contents.tensors.items():
        _check_tensor(path, name, tensor)
    return contents


def _read_safetensors(path: Path) -> CheckpointContents:
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="pt", device="cpu") as file:
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
            metadata: Mapping[str, str] = file.metadata() or {}
    except (SafetensorError, *DAMAGED_FILE_ERRORS) as error:
        raise InputFileError(
            f"{path} cannot be read as a safetensors file: {error}",
            hint="Get the file again and compare its sha256 with the published one.",
        ) from error
    if not tensors:
        raise InputFileError(f"{path} is a safetensors file without a single tensor.")
    return CheckpointContents(tensors, _labels_from_metadata(metadata))


def _labels_from_metadata(metadata: Mapping[str, str]) -> tuple[str, ...] | None:
    for key in ("class_labels", "id2label"):
        try:
            labels = as_class_labels(json.loads(metadata.get(key, "null")))
        except ValueError:
            continue
        if labels:
            return labels
    return None


def _check_tensor(path: Path, name: str, tensor: Tensor) -> None:
    """Refuse tensors that are not plain numbers in memory.

    Raises:
        InputFileError: a sparse, quantised or empty-handed tensor (a view that repeats few numbers
            can claim any size).
    """
    plain = tensor.layout is torch.strided and tensor.is_floating_point()
    # Half-written files and views of nothing would only fail later, and less readably.
    dense = plain and tensor.device.type == "cpu" and _bytes_claimed(tensor) <= _bytes_held(tensor)
    if not dense and not _is_counter(tensor):
        raise InputFileError(
            f"{path}: '{printable(name)}' is not a plain tensor of floating-point numbers "
            f"(dtype {tensor.dtype}, shape {tuple(tensor.shape)})."
        )


def _is_counter(tensor: Tensor) -> bool:
    """Integers (of other layers of a detector) are no weights of ours; the strict load decides."""
    return tensor.layout is torch.strided and not tensor.is_complex() and tensor.numel() <= 1


def _bytes_claimed(tensor: Tensor) -> int:
    return tensor.numel() * tensor.element_size()


def _bytes_held(tensor: Tensor) -> int:
    return tensor.untyped_storage().nbytes()


def _unreadable(path: Path, error: OSError) -> InputFileError:
    return InputFileError(
        f"{path} cannot be read: {error.strerror or error}.",
        hint="Give the path of a checkpoint file, an https URL, or 'random'.",
    )
