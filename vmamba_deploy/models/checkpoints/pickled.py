"""Reading `torch.save` files without ever doing what their pickle asks for.

The file goes through `torch.load(weights_only=True)`, whose unpickler knows a short list of tensor
constructors and refuses everything else. Some training scripts store their configuration or their
log next to the weights as objects of classes that are not on the list; those names are answered
with stand-ins that run nothing.
"""

from __future__ import annotations

import pickle
import re
import struct
import threading
import warnings
import zipfile
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from vmamba_deploy.errors import InputFileError, printable

DAMAGED_FILE_ERRORS = (
    pickle.UnpicklingError,
    struct.error,
    zipfile.BadZipFile,
    ArithmeticError,
    AssertionError,
    AttributeError,
    EOFError,
    ImportError,
    LookupError,
    MemoryError,
    OSError,
    RuntimeError,
    TypeError,
    ValueError,
)
"""What torch.load was seen to raise on damaged, truncated and hostile files."""

_REFUSED_NAME = re.compile(r"nsupported (?:global: )?(?:GLOBAL|class|function)\s+([\w.]+)")
_UNPICKLER_REASON = re.compile(r"WeightsUnpickler error:\s*(.+)")
# torch keeps the accepted names in one table for the whole process.
_SAFE_GLOBALS_LOCK = threading.Lock()


class InertObject:
    """Stands for an object of the training script's that loading weights does not need."""

    def __init__(self, *_args: object) -> None:
        """Drop the arguments that the pickle gives to the original class."""

    def __setstate__(self, _state: object) -> None:
        """Drop the state that the pickle gives to the original object."""


class InertMapping:
    """Stands for a dict subclass of the training script's: its instances are ordered dicts.

    The unpickler stores items into the exact built-in types only, hence not a subclass.
    """

    def __new__(cls, *_args: object) -> OrderedDict[object, object]:  # type: ignore[misc]
        """Make an empty ordered dict, which the pickle then fills with plain values."""
        return OrderedDict()


# Classes and functions found beside the weights in published checkpoints.
STAND_INS: list[Callable[..., Any] | tuple[Callable[..., Any], str]] = [
    (InertMapping, "yacs.config.CfgNode"),
    *(
        (InertObject, f"{module}.{name}")
        for module in ("numpy.core.multiarray", "numpy._core.multiarray")
        for name in ("_reconstruct", "scalar")
    ),
    (InertObject, "numpy.dtype"),
    (InertObject, "numpy.ndarray"),
]


def read_pickled(path: Path) -> object:
    """Read a file written by `torch.save`, in the zip layout or the older one.

    Returns:
        What the file holds: containers, numbers, strings, CPU tensors and stand-ins.

    Raises:
        InputFileError: the file is damaged, or its pickle asks for something other than tensors.
    """
    _refuse_compressed_records(path)
    try:
        with (
            _SAFE_GLOBALS_LOCK,
            torch.serialization.safe_globals(STAND_INS),
            warnings.catch_warnings(action="ignore"),
        ):
            return torch.load(path, map_location="cpu", weights_only=True)
    except DAMAGED_FILE_ERRORS as error:
        raise _explain(path, error) from error


def _refuse_compressed_records(path: Path) -> None:
    """torch.save never compresses; a compressed record is a small file that unpacks to a huge one.

    Raises:
        InputFileError: the file is a zip archive with compressed or overlong records.
    """
    try:
        if not zipfile.is_zipfile(path):
            return
        with zipfile.ZipFile(path) as archive:
            records = archive.infolist()
    except DAMAGED_FILE_ERRORS as error:
        raise _explain(path, error) from error
    stored = all(record.compress_type == zipfile.ZIP_STORED for record in records)
    if not stored or sum(record.file_size for record in records) > path.stat().st_size:
        raise InputFileError(
            f"{path} is a zip archive, but not one that torch.save writes: its records are "
            "compressed or claim more bytes than the file has.",
            hint="Use the checkpoint file itself, not an archive of it.",
        )


def _explain(path: Path, error: BaseException) -> InputFileError:
    text = str(error).strip()
    refused = _REFUSED_NAME.search(text)
    if refused:
        name = refused.group(1)
        return InputFileError(
            f"{path} asks for the Python object '{name}' when it is read. A checkpoint is expected "
            "to hold tensors and plain values only; nothing of it was run and nothing was loaded.",
            hint="If you trust its author, ask for the weights as a safetensors file.",
        )
    reason = _UNPICKLER_REASON.search(text)
    first_line = reason.group(1) if reason else (text.splitlines() or [""])[0]
    detail = f"{type(error).__name__}: {printable(first_line[:160])}".removesuffix(": ")
    return InputFileError(
        f"{path} cannot be read as a checkpoint: it is damaged, cut short, or no checkpoint at all "
        f"({detail}).",
        hint="Get the file again and compare its sha256 with the published one.",
    )
