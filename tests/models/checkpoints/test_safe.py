"""safetensors files: nothing is read before it is wanted, and what is bad is an error of ours."""

from __future__ import annotations

import json
import struct
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor

from vmamba_deploy.errors import InputFileError
from vmamba_deploy.models.checkpoints import reading, safe
from vmamba_deploy.models.checkpoints.limits import MAX_HEADER_BYTES, MAX_NAME_CHARACTERS
from vmamba_deploy.models.checkpoints.reading import read_checkpoint
from vmamba_deploy.models.checkpoints.stored import StoredTensor

DTYPES = [torch.float64, torch.float32, torch.float16, torch.bfloat16]


@pytest.mark.parametrize("dtype", DTYPES)
def test_bits_stay(dtype: torch.dtype, checkpoint: Path) -> None:
    numbers = torch.randint(-(2**15), 2**15, (5, 7), dtype=torch.int16).view(torch.float16)
    tensor = torch.randn(5, 7).to(dtype) if dtype is not torch.float16 else numbers
    save_file({"a.weight": tensor, "count": torch.tensor(3)}, checkpoint)
    stored = read_checkpoint(checkpoint).stored
    meta, read = stored["a.weight"].meta, stored["a.weight"].read()
    assert meta.is_meta
    assert (meta.dtype, meta.shape) == (read.dtype, read.shape) == (dtype, (5, 7))
    assert torch.equal(read.view(torch.uint8), tensor.view(torch.uint8))


def header(**tensors: Any) -> bytes:
    text = json.dumps(tensors).encode()
    return struct.pack("<Q", len(text)) + text


def entry(shape: Any, end: int = 4, dtype: str = "F32") -> dict[str, Any]:
    return {"dtype": dtype, "shape": shape, "data_offsets": [0, end]}


HEADERS = {
    "no JSON": struct.pack("<Q", 9) + b"{not JSON",
    "too deep": struct.pack("<Q", 200_001) + b'{"a":' + b"[" * 199_996,
    "digits": struct.pack("<Q", 5100) + b'{"a":{"dtype":"F32","shape":[' + b"9" * 5071,
    "no text": struct.pack("<Q", 6) + b'{"\xff":1',
    "huge shape of nothing": header(a=entry([2**61, 0], 0)),
    "overflowing shape": header(a=entry([2**33, 2**33])) + bytes(4),
    "beyond any integer": header(a=entry([2**70])) + bytes(4),
    "negative shape": header(a=entry([-1])) + bytes(4),
    "more than the file has": header(a=entry([2**30], 2**32)) + bytes(4),
    "unknown dtype": header(a=entry([1], 4, "X7")) + bytes(4),
    "float of 8 bits": header(a=entry([4], 4, "F8_E4M3")) + bytes(4),
    "integers": header(a=entry([1, 2], 8, "I32")) + bytes(8),
    "complex": header(a=entry([1], 8, "C64")) + bytes(8),
    "no tensors": header(),
    "metadata without end": header(a=entry([1]), __metadata__={"id2label": "[" * 100_000})
    + bytes(4),
    "bytes left over": header(a=entry([1])) + bytes(400),
    "many names": header(**{f"a{i}": entry([0], 0) for i in range(20_001)}),
    "long name": header(**{"a" * 400: entry([1])}) + bytes(4),
    "long header": struct.pack("<Q", MAX_HEADER_BYTES + 1) + b"{" + b" " * MAX_HEADER_BYTES,
}


@pytest.mark.parametrize("name", HEADERS)
def test_bad_headers(name: str, checkpoint: Path) -> None:
    checkpoint.write_bytes(HEADERS[name])
    with pytest.raises(InputFileError):
        read_checkpoint(checkpoint)


def test_the_largest_that_is_taken(checkpoint: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    content = header(**{"a" * MAX_NAME_CHARACTERS: entry([1])})
    checkpoint.write_bytes(content + bytes(4))
    monkeypatch.setattr(safe, "MAX_HEADER_BYTES", len(content) - 8)
    monkeypatch.setattr(reading, "MAX_TENSORS", 1)
    assert len(read_checkpoint(checkpoint).stored) == 1
    monkeypatch.setattr(reading, "MAX_TENSORS", 0)
    with pytest.raises(InputFileError, match="has 1 tensors; at most 0"):
        read_checkpoint(checkpoint)


@pytest.mark.parametrize(
    ("shape", "most_bytes"), [((2,), 4), ((0, 4), 4), ((), 2)], ids=["numbers", "none", "one"]
)
def test_what_a_file_of_few_bytes_may_claim(shape: tuple[int, ...], most_bytes: int) -> None:
    """Twice its size for tensors with two names; of an empty one no side is longer than it."""
    stored = {"a": StoredTensor(torch.empty(shape, device="meta"), Tensor)}
    reading._check(Path("a.pth"), stored, most_bytes)
    with pytest.raises(InputFileError, match=r"claim|not a plain tensor"):
        reading._check(Path("a.pth"), stored, most_bytes - 1)


def test_a_file_that_is_cut_in_its_header(checkpoint: Path) -> None:
    save_file({"a.weight": torch.ones(3)}, checkpoint)
    checkpoint.write_bytes(checkpoint.read_bytes()[:20])
    with pytest.raises(InputFileError, match="cannot be read as a safetensors file"):
        read_checkpoint(checkpoint)


def test_a_header_that_is_too_long_is_told_before_it_is_read(checkpoint: Path) -> None:
    with checkpoint.open("wb") as file:
        file.write(struct.pack("<Q", MAX_HEADER_BYTES + 1) + b"{")
        file.truncate(MAX_HEADER_BYTES + 100)
    with pytest.raises(InputFileError, match="has a header of 16,777,217 bytes; at most"):
        read_checkpoint(checkpoint)
