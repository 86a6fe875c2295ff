"""Tensors come out of a file with the bits that went in."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from vmamba_deploy.models.checkpoints.pickled import read_pickled
from vmamba_deploy.models.checkpoints.sections import Section
from vmamba_deploy.models.checkpoints.stand_in import StandIn
from vmamba_deploy.models.checkpoints.storages import TENSOR_CALLS, Storage, Storages

DTYPES = [
    *(torch.float64, torch.float32, torch.float16, torch.bfloat16, torch.float8_e4m3fn),
    *(torch.int64, torch.int32, torch.int16, torch.int8, torch.uint8, torch.uint16, torch.bool),
    *(torch.complex64, torch.complex128),
]


def same_bits(one: Tensor, other: Tensor) -> bool:
    bits = [tensor.contiguous().flatten().view(torch.uint8) for tensor in (one, other)]
    return one.dtype == other.dtype and one.shape == other.shape and torch.equal(*bits)


@pytest.mark.parametrize("zipped", [True, False])
@pytest.mark.parametrize("dtype", DTYPES)
def test_every_dtype(dtype: torch.dtype, zipped: bool, checkpoint: Path) -> None:
    numbers = torch.randint(0, 2 if dtype is torch.bool else 256, (160,), dtype=torch.uint8)
    tensor = numbers.view(dtype)
    parts = {"whole": tensor, "part": tensor[3:7], "stepped": tensor[1::4], "none": tensor[:0]}
    torch.save(parts, checkpoint, _use_new_zipfile_serialization=zipped)
    found: Any = read_pickled(checkpoint)
    for name, part in parts.items():
        assert found[name].meta.is_meta
        assert found[name].meta.stride() == part.stride()
        assert same_bits(found[name].read(), part)


class Named(Tensor):
    """A tensor of a class of its own."""


def test_kinds_of_tensors(checkpoint: Path) -> None:
    matrix, parameter = torch.rand(3, 4), nn.Parameter(torch.rand(5))
    parameter.note = "kept"  # type: ignore[attr-defined]
    kinds = {
        "transposed": matrix.t(),
        "scalar": torch.tensor(2.5),
        "repeated": torch.rand(1).expand(4),
        "parameter": nn.Parameter(matrix),
        "with attributes": parameter,
        "of a subclass": torch.rand(2).as_subclass(Named),
    }
    torch.save(kinds, checkpoint)
    found: Any = read_pickled(checkpoint)
    for name, tensor in kinds.items():
        assert same_bits(found[name].read(), tensor.detach().as_subclass(Tensor)), name


@pytest.mark.filterwarnings("ignore:.*quantized tensor creation")
@pytest.mark.parametrize(
    "make",
    [
        lambda: torch.quantize_per_tensor(torch.rand(4), 0.1, 0, torch.qint8),
        lambda: torch.rand(2, 2).to_sparse(),
        lambda: torch.empty(3, device="meta"),
    ],
)
def test_other_tensors_beside_the_weights(make: Any, checkpoint: Path) -> None:
    torch.save([make()], checkpoint)
    (found,) = read_pickled(checkpoint)  # type: ignore[misc, attr-defined]
    assert isinstance(found, StandIn)
    assert found.name.startswith("torch._utils._rebuild")


def storage(kind: str = "FloatStorage", numel: int = 4) -> tuple[Any, ...]:
    return ("storage", StandIn(f"torch.{kind}"), "0", "cpu", numel)


def test_a_storage_is_one(tmp_path: Path) -> None:
    storages = Storages()
    first = storages.refer(storage())
    assert storages.refer(storage()) is first
    for other in (storage("HalfStorage", 8), storage("IntStorage"), storage(numel=5)):
        with pytest.raises(pickle.UnpicklingError, match="no storage"):
            storages.refer(other)
    for size in (15, 17):
        with pytest.raises(pickle.UnpicklingError, match=f"{size} bytes for a storage of 16"):
            storages.place("0", Section(tmp_path, 0, size))
    assert storages.refer(("module", StandIn("a.Module"), "file.py", "source")).name == "a.Module"  # type: ignore[attr-defined]


def test_a_dtype_that_is_none_and_one_that_does_not_fit() -> None:
    rebuild = TENSOR_CALLS["torch._utils._rebuild_tensor_v3"]
    held = Storage(torch.uint8, 6)
    for name, words in (("torch.nn", "no dtype"), ("torch.float32", "do not fill")):
        with pytest.raises(pickle.UnpicklingError, match=words):
            rebuild(held, 0, (1,), (1,), False, {}, StandIn(name))
    of_subclass = TENSOR_CALLS["torch._tensor._rebuild_from_type_v2"]
    unknown = of_subclass(StandIn("a.b"), StandIn("a.C"), (1,), None)
    assert isinstance(unknown, StandIn)
