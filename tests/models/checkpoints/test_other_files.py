"""What is given in a checkpoint's place is named as what it is."""

from __future__ import annotations

import gzip
import io
import lzma
import tarfile
import warnings
import zipfile
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from PIL import Image

from vmamba_deploy.errors import InputFileError
from vmamba_deploy.models import load_model

PAGE = "<html><head><title>Google Drive - Quota exceeded</title></head></html>"


def tar_of(content: bytes) -> bytes:
    target = io.BytesIO()
    with tarfile.open(fileobj=target, mode="w") as archive:
        archive.addfile(tarfile.TarInfo("weights.pth"), io.BytesIO(content))
    return target.getvalue()


def zip_of(*names: str) -> bytes:
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w") as archive:
        for name in names:
            archive.writestr(name, "content")
    return target.getvalue()


def scripted() -> bytes:
    target = io.BytesIO()
    with warnings.catch_warnings(action="ignore"):
        torch.jit.save(torch.jit.trace(torch.nn.Linear(2, 2), torch.zeros(1, 2)), target)
    return target.getvalue()


def array(save: object, value: object) -> bytes:
    target = io.BytesIO()
    save(target, value)  # type: ignore[operator]
    return target.getvalue()


def onnx_model() -> bytes:
    graph = onnx.helper.make_graph([], "nothing", [], [])
    return bytes(onnx.helper.make_model(graph, producer_name="pytorch").SerializeToString())


def image() -> bytes:
    target = io.BytesIO()
    Image.new("RGB", (4, 4)).save(target, "PNG")
    return target.getvalue()


FILES: list[tuple[str, bytes]] = [
    ("Git LFS", b"version https://git-lfs.github.com/spec/v1\noid sha256:" + b"ab" * 32),
    ("HTML", PAGE.encode()),
    ("HTML", b"\xef\xbb\xbf\n <!-- saved --> <!DOCTYPE html>\n" + PAGE.encode()),
    ("XML", b"<?xml version='1.0'?><Error><Code>AccessDenied</Code></Error>"),
    ("XML", b"<Error><Code>NoSuchKey</Code></Error>"),
    ("JSON", b'{"error": "Repository not found"}'),
    ("JSON", b'{"data":{"error":"not found"}}'),
    ("index of a checkpoint", b'{"metadata": {}, "weight_map": {"a": "model-1-of-2.safetensors"}}'),
    ("TensorFlow's list", b'model_checkpoint_path: "model.ckpt-1"\n'),
    ("gzip", gzip.compress(b"x" * 100)),
    ("xz", lzma.compress(b"x" * 100)),
    ("bzip2", b"BZh91AY&SY" + bytes(20)),
    ("Zstandard", b"\x28\xb5\x2f\xfd" + bytes(20)),
    ("7z", b"7z\xbc\xaf\x27\x1c" + bytes(20)),
    ("RAR", b"Rar!\x1a\x07\x01\x00" + bytes(20)),
    ("tar", tar_of(b"x" * 100)),
    (".npy", array(np.save, np.zeros(3))),
    (".npz", array(np.savez, np.zeros(3))),
    ("HDF5", b"\x89HDF\r\n\x1a\n" + bytes(20)),
    ("GGUF", b"GGUF\x03" + bytes(20)),
    ("TensorFlow Lite", b"\x1c\0\0\0TFL3" + bytes(20)),
    ("ONNX", onnx_model()),
    ("TensorRT", b"ftrt" + bytes(60)),
    ("program or library", b"\x7fELF\x02" + bytes(20)),
    ("PDF", b"%PDF-1.7\n"),
    (r"an image\.$", image()),
    (r"zeros at its beginning, an incomplete copy or download\.$", bytes(5000)),
    ("begins with 'model = VSSM", b"model = VSSM(depths=[2, 2, 5, 2])\n"),
    ("TorchScript", scripted()),
    (r"\.pt2", zip_of("model/archive_format", "model/version")),
    ("Keras", zip_of("config.json", "model.weights.h5")),
    ("a checkpoint in it", zip_of("folder/best.pth", "readme.txt")),
    (r"holds a, b, c, d\.$", zip_of("a", "b", "c", "d", "e")),
    ("holds nothing", zip_of()),
    ("is empty", b""),
]


@pytest.mark.parametrize(("name", "content"), FILES, ids=[name for name, _ in FILES])
def test_named_as_what_it_is(name: str, content: bytes, checkpoint: Path) -> None:
    checkpoint.write_bytes(content)
    with pytest.raises(InputFileError, match=name) as error:
        load_model(checkpoint)
    assert content == b"" or error.value.hint


def test_a_page_says_what_it_is_about(checkpoint: Path) -> None:
    checkpoint.write_text(PAGE + "\x1b[2J")
    with pytest.raises(InputFileError, match="Quota exceeded") as error:
        load_model(checkpoint)
    assert "\x1b" not in error.value.message
