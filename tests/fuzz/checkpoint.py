"""The checkpoint reader: a pickle in either layout of `torch.save`, safetensors, any other file.

An input's first byte says what its rest is. As the program of an archive or the header of a
safetensors file it gets past the checksum or the length that would refuse it at once.
"""

from __future__ import annotations

import zipfile
from pathlib import Path

import atheris

from tests.fuzz.reader import fuzz

with atheris.instrument_imports(include=["vmamba_deploy.models"]):
    from vmamba_deploy.models import load_model
    from vmamba_deploy.models.checkpoints.reading import read_checkpoint

NUMBERS = bytes(range(256)) * 2
STORAGES = 4


def read(data: bytes, folder: Path) -> None:
    path = folder / "weights.pth"
    kind, content = data[:1], data[1:]
    if kind == b"z":
        write_archive(path, content)
    elif kind == b"s":
        path.write_bytes(len(content).to_bytes(8, "little") + content + NUMBERS)
    else:
        path.write_bytes(content)
    read_checkpoint(path).read()
    load_model(path)


def write_archive(path: Path, program: bytes) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("archive/data.pkl", program)
        for number in range(STORAGES):
            archive.writestr(f"archive/data/{number}", NUMBERS[: 64 << number])


if __name__ == "__main__":
    fuzz(read)
