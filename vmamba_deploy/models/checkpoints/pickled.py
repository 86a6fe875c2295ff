"""Reading `torch.save` files without ever doing what their pickle asks for."""

from __future__ import annotations

import io
import os
import pickle
import re
import struct
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import BinaryIO

from vmamba_deploy.errors import InputFileError, printable
from vmamba_deploy.files import open_file, shown, understood
from vmamba_deploy.models.checkpoints.limits import MAX_FILE_BYTES, MAX_PICKLE_BYTES
from vmamba_deploy.models.checkpoints.modules import with_weights_of_modules
from vmamba_deploy.models.checkpoints.pickle_program import TooManyStepsError, follow
from vmamba_deploy.models.checkpoints.sections import AGAIN, Section, zip_records
from vmamba_deploy.models.checkpoints.stand_in import StandIn, check_size
from vmamba_deploy.models.checkpoints.storages import TENSOR_CALLS, Storages
from vmamba_deploy.models.checkpoints.unreadable import CLEAN_FILE, refuse_other_tensors

_PROGRAM = "data.pkl"
_ORDER, _ORDER_HINT = b"little", "Load it with PyTorch on this machine, and save it again."
_LEGACY_MAGIC = 0x1950A86A20F9469CFC6C
_LEGACY_VERSION = 1001
_LEGACY_COUNT = struct.Struct("<q")
# Nothing is called in any case; but who wants these called, wants no weights read.
_RUNS_PROGRAMS = re.compile(
    r"(asyncio|code|ctypes|importlib|marshal|multiprocessing|nt|os|posix|_?pickle|pty|runpy|shutil"
    r"|socket|subprocess|sys|threading|torch\.hub|webbrowser)\.|"
    r"((_?io\.open|torch\.serialization\.load)"
    r"|builtins\.(__import__|breakpoint|compile|eval|exec|exit|getattr\.|input|open|quit|setattr))\b"
)


def read_pickled(path: Path) -> object:
    """Read a file written by `torch.save`, in the zip layout or the one before PyTorch 1.6.

    Returns:
        What the file holds, as `stand_in` describes it: containers, plain values, a `StoredTensor`
        for each tensor, and stand-ins. Of a whole module, its weights by name.

    Raises:
        InputFileError: the file is damaged, larger than any checkpoint, or asks to run programs.
    """
    what = "a checkpoint"
    with (
        open_file(path, what=what, limit_bytes=MAX_FILE_BYTES) as file,
        understood(path, what=what, hint=AGAIN),
    ):
        is_zip = file.read(2) == b"PK"
        tree = _read_zip(path, file) if is_zip else _read_legacy(path, file)
        check_size(tree)
        tree = with_weights_of_modules(tree)
        refuse_other_tensors(tree, path)
        return tree


def _read_zip(path: Path, file: BinaryIO) -> object:
    records = zip_records(path, file)
    (prefix,) = (name[: -len(_PROGRAM)] for name in records if name.endswith(f"/{_PROGRAM}"))
    order = records.get(f"{prefix}byteorder")
    if order is not None and (order.size != len(_ORDER) or order.read() != _ORDER):
        raise InputFileError(f"{shown(path)} is of a big-endian machine.", hint=_ORDER_HINT)
    program = records[f"{prefix}{_PROGRAM}"]
    if program.size > MAX_PICKLE_BYTES:
        raise pickle.UnpicklingError(f"its pickle has {program.size:,} bytes")
    storages = Storages()
    tree = _follow(path, io.BytesIO(program.read()), storages)
    for key in storages:
        storages.place(key, records[f"{prefix}data/{key}"])
    return tree


def _read_legacy(path: Path, file: BinaryIO) -> object:
    """Five pickles - magic number, version, machine, content, order - and then the storages."""
    file.seek(0)
    programs = io.BytesIO(file.read(MAX_PICKLE_BYTES))
    storages = Storages()
    magic, version, machine = (_follow(path, programs, storages) for _ in range(3))
    if (magic, version) != (_LEGACY_MAGIC, _LEGACY_VERSION):
        raise pickle.UnpicklingError("a pickle that torch.save did not write")
    if not isinstance(machine, dict) or not machine.get("little_endian"):
        raise InputFileError(f"{shown(path)} is of a big-endian machine.", hint=_ORDER_HINT)
    tree = _follow(path, programs, storages)
    keys = _follow(path, programs, storages)
    if not isinstance(keys, list) or not all(isinstance(key, str) for key in keys):
        raise pickle.UnpicklingError("storages without names")
    if sorted(keys) != sorted(storages):
        raise pickle.UnpicklingError("other storages than its tensors want")
    offset = programs.tell()
    for key in keys:
        file.seek(offset)
        count = file.read(_LEGACY_COUNT.size)
        (numel,) = _LEGACY_COUNT.unpack(count)
        offset += len(count)
        storages.place(key, Section(path, offset, numel * storages[key].dtype.itemsize))
        offset += storages[key].nbytes
    if offset > file.seek(0, os.SEEK_END):
        raise EOFError("numbers are missing")
    return tree


def _follow(path: Path, program: BinaryIO, storages: Storages) -> object:
    def check_name(name: str) -> None:
        if _RUNS_PROGRAMS.match(name):
            raise InputFileError(
                f"{shown(path)} asks for the Python object '{printable(name)}' when it is read. "
                "A checkpoint is expected to hold tensors and plain values only; nothing of it was "
                "run and nothing was loaded.",
                hint="Do not use a file of this author.",
            )

    try:
        return follow(
            program,
            calls={**TENSOR_CALLS, **_PLAIN_CALLS, "_codecs.encode": _Encoder()},
            persistent=storages.refer,
            check_name=check_name,
        )
    except TooManyStepsError as error:
        raise InputFileError(
            f"{shown(path)} holds more beside its tensors than is read: {error}.", hint=CLEAN_FILE
        ) from error


class _Encoder(dict[str, bytes]):
    """Bytes, which old pickles have as text: of one text once, however often they are wanted."""

    def __call__(self, text: object, _encoding: object = None) -> bytes:
        if not isinstance(text, str):
            raise pickle.UnpicklingError("bytes of something that is no text")
        if text not in self:
            self[text] = text.encode("latin1")
        return self[text]


def _ordered_dict(*arguments: object) -> object:
    return StandIn("collections.OrderedDict", arguments) if arguments else {}


_PLAIN_CALLS: Mapping[str, Callable[..., object]] = {
    "collections.OrderedDict": _ordered_dict,
    "collections.defaultdict": lambda *_: {},
    "collections.Counter": lambda counts=None: {} if counts is None else counts,
}
