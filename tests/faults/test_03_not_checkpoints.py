"""Files, folders and devices that are no checkpoints: named as what they are."""

from __future__ import annotations

import gzip
import io
import json
import os
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.faults.conftest import Refuses
from vmamba_deploy.errors import ExitCode


def zipped(content: dict[str, bytes]) -> bytes:
    memory = io.BytesIO()
    with zipfile.ZipFile(memory, "w") as archive:
        for name, data in content.items():
            archive.writestr(name, data)
    return memory.getvalue()


def an_image() -> bytes:
    memory = io.BytesIO()
    Image.new("RGB", (8, 8)).save(memory, "PNG")
    return memory.getvalue()


def a_tar() -> bytes:
    memory = io.BytesIO()
    with tarfile.open(fileobj=memory, mode="w") as archive:
        archive.addfile(tarfile.TarInfo("weights.pth"))
    return memory.getvalue()


def arrays() -> bytes:
    memory = io.BytesIO()
    np.savez(memory, weights=np.zeros(3))
    return memory.getvalue()


LFS = b"version https://git-lfs.github.com/spec/v1\noid sha256:" + b"0" * 64 + b"\nsize 9\n"
CONTENT: dict[str, bytes] = {
    "nothing": b"",
    "a text": b"weights will follow\n" * 9,
    "a page": b"<!DOCTYPE html><html><title>404</title></html>" * 9,
    "a pointer of Git LFS": LFS,
    "JSON": json.dumps({"model": [1, 2, 3]}).encode(),
    "deep JSON": b"[" * 100_000,
    "YAML": b"model:\n  name: vmamba\n",
    "an image": an_image(),
    "a tar": a_tar(),
    "gzip": gzip.compress(b"x" * 1000),
    "arrays of NumPy": arrays(),
    "TorchScript": zipped({"m/code/m.py": b"def f(): pass", "m/constants.pkl": b"\x80\x02)."}),
    "a zip of a folder": zipped({"folder/weights.txt": b"x"}),
    "a program": b"\x7fELF" + bytes(500),
    "a script": b"#!/bin/sh\nrm -rf /\n",
    "zeros": bytes(10_000),
    "a pickled number": b"\x80\x04K\x01.",
    "a pickled nothing": b"N.",
    "safetensors of no tensors": (2).to_bytes(8, "little") + b"{}",
    "safetensors of a header too long": (2**62).to_bytes(8, "little") + b"{" + bytes(99),
    "HDF5": b"\x89HDF\r\n\x1a\n" + bytes(500),
    "ONNX": b"\x08\x0a\x12\x07pytorch" + bytes(99),
}


@pytest.mark.parametrize("kind", list(CONTENT))
def test_a_file_of_another_kind(refuses: Refuses, tmp_path: Path, kind: str) -> None:
    path = tmp_path / "weights.pth"
    path.write_bytes(CONTENT[kind])
    refuses(["info", path], ExitCode.BAD_INPUT, "weights.pth")


PLACES: dict[str, Callable[[Path], object]] = {
    "nothing": lambda path: None,
    "a folder": Path.mkdir,
    "a pipe": os.mkfifo,
    "an endless device": lambda path: path.symlink_to("/dev/zero"),
    "random numbers": lambda path: path.symlink_to("/dev/urandom"),
    "a link to itself": lambda path: path.symlink_to(path),
    "a link to nothing": lambda path: path.symlink_to(path.with_name("nowhere")),
    "this process": lambda path: path.symlink_to("/proc/self/mem"),
    "a huge hole": lambda path: path.touch() or os.truncate(path, 1 << 42),
}


@pytest.mark.parametrize("place", list(PLACES))
@pytest.mark.parametrize("command", ["info", "export"])
def test_what_is_no_file(tmp_path: Path, refuses: Refuses, command: str, place: str) -> None:
    path = tmp_path / "weights.pth"
    PLACES[place](path)
    asked: dict[str, list[object]] = {
        "info": ["info", path],
        "export": ["export", "--weights", path, "--no-engine", "-o", tmp_path / "out"],
    }
    from tests.faults.asking import ask, assert_refused

    before = sorted(entry.name for entry in tmp_path.iterdir())
    answer = ask(*asked[command])
    code = ExitCode.INTEGRITY if command == "info" and place == "a folder" else ExitCode.BAD_INPUT
    assert_refused(answer, code, "weights.pth")
    assert sorted(entry.name for entry in tmp_path.iterdir()) == before
