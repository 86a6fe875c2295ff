"""Reading safetensors files: a header of JSON, and numbers."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from vmamba_deploy.errors import InputFileError
from vmamba_deploy.files import shown, understood
from vmamba_deploy.models.checkpoints.choice import WeightsChoice
from vmamba_deploy.models.checkpoints.contents import (
    CheckpointContents,
    unwrap,
)
from vmamba_deploy.models.checkpoints.limits import MAX_HEADER_BYTES
from vmamba_deploy.models.checkpoints.sections import AGAIN
from vmamba_deploy.models.checkpoints.settings import metadata_values, settings_beside
from vmamba_deploy.models.checkpoints.stored import StoredTensor

_WHAT = "a safetensors file"
_DTYPES = {
    "F64": torch.float64,
    "F32": torch.float32,
    "F16": torch.float16,
    "BF16": torch.bfloat16,
    "I64": torch.int64,
    "I32": torch.int32,
    "I16": torch.int16,
    "I8": torch.int8,
    "U8": torch.uint8,
    "BOOL": torch.bool,
    "C64": torch.complex64,
}


def read_safetensors(
    path: Path, header_bytes: int, choice: WeightsChoice | None = None
) -> CheckpointContents:
    """Read what a safetensors file holds; no numbers yet.

    Args:
        path: of the file.
        header_bytes: that it has, by its first 8 bytes.
        choice: see `unwrap`.

    Raises:
        InputFileError: damaged, with too long a header, or without weights.
    """
    from safetensors import safe_open

    if header_bytes > MAX_HEADER_BYTES:
        raise InputFileError(
            f"{shown(path)} has a header of {header_bytes:,} bytes; at most {MAX_HEADER_BYTES:,}."
        )
    with understood(path, what=_WHAT, hint=AGAIN):
        file: Any = safe_open(path, framework="pt", device="cpu")
        stored = {name: _stored(path, file, name) for name in file.keys()}  # noqa: SIM118
        beside = metadata_values(file.metadata() or {})
    contents = unwrap({**beside, **stored}, path, choice)
    return replace(contents, settings=contents.settings + settings_beside(path))


def _stored(path: Path, file: Any, name: str) -> StoredTensor:
    def read() -> Tensor:
        with understood(path, what=_WHAT, hint=AGAIN):
            tensor: Tensor = file.get_tensor(name)
            return tensor

    header = file.get_slice(name)
    meta = torch.empty(header.get_shape(), dtype=_DTYPES[header.get_dtype()], device="meta")
    return StoredTensor(meta, read)
