"""The memory that the tensors of a `torch.save` file are views of, and the tensors themselves."""

from __future__ import annotations

import functools
import pickle
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from vmamba_deploy.models.checkpoints.limits import MAX_DIMENSIONS
from vmamba_deploy.models.checkpoints.sections import Section
from vmamba_deploy.models.checkpoints.stand_in import StandIn
from vmamba_deploy.models.checkpoints.stored import StoredTensor

_DTYPES: Mapping[str, torch.dtype] = {
    "torch.DoubleStorage": torch.float64,
    "torch.FloatStorage": torch.float32,
    "torch.HalfStorage": torch.float16,
    "torch.BFloat16Storage": torch.bfloat16,
    "torch.LongStorage": torch.int64,
    "torch.IntStorage": torch.int32,
    "torch.ShortStorage": torch.int16,
    "torch.CharStorage": torch.int8,
    "torch.ByteStorage": torch.uint8,
    "torch.BoolStorage": torch.bool,
    "torch.ComplexFloatStorage": torch.complex64,
    "torch.ComplexDoubleStorage": torch.complex128,
    "torch.QInt8Storage": torch.int8,
    "torch.QUInt8Storage": torch.uint8,
    "torch.QInt32Storage": torch.int32,
    "torch.storage.UntypedStorage": torch.uint8,
    "torch.UntypedStorage": torch.uint8,
}


@dataclass(eq=False)
class Storage:
    """One-dimensional memory of a file.

    Attributes:
        dtype: of its numbers.
        nbytes: that it has.
        section: where in the file they are, known once the pickle has been followed.
    """

    dtype: torch.dtype
    nbytes: int
    section: Section | None = None

    @functools.cached_property
    def numbers(self) -> Tensor:
        """The bytes [nbytes], uint8, read once for all tensors that share them."""
        assert self.section is not None
        if self.nbytes == 0:
            return torch.empty(0, dtype=torch.uint8)
        return torch.frombuffer(self.section.read(), dtype=torch.uint8)


class Storages(dict[str, Storage]):
    """The storages that a pickle refers to, by their keys."""

    def refer(self, reference: object) -> object:
        """The storage that a pickle names; of an older file also the class of a module.

        Raises:
            UnpicklingError: it names something else, or one storage as two.
        """
        match reference:
            case ("storage", StandIn(name=kind), str(key), _, int(numel), *rest) if (
                kind in _DTYPES and not any(rest)
            ):
                dtype = _DTYPES[kind]
                found = self.setdefault(key, Storage(dtype, numel * dtype.itemsize))
                if (found.dtype, found.nbytes) == (dtype, numel * dtype.itemsize):
                    return found
            case ("module", StandIn() as module_class, *_):
                return module_class
        raise pickle.UnpicklingError("a reference to something that is no storage")

    def place(self, key: str, section: Section) -> None:
        """Say where a storage lies.

        Raises:
            UnpicklingError: the file has fewer or more bytes for it than the pickle says.
        """
        if self[key].nbytes != section.size:
            raise pickle.UnpicklingError(
                f"{section.size:,} bytes for a storage of {self[key].nbytes:,}"
            )
        self[key].section = section


def _tensor(
    storage: Storage,
    offset: int,
    shape: tuple[int, ...],
    stride: tuple[int, ...],
    dtype: torch.dtype | None = None,
) -> StoredTensor:
    dtype = dtype or storage.dtype
    if not len(shape) == len(stride) <= MAX_DIMENSIONS or min((offset, *shape, *stride)) < 0:
        raise pickle.UnpicklingError("a tensor of impossible shape")
    if storage.nbytes % dtype.itemsize:
        raise pickle.UnpicklingError("a tensor whose numbers do not fill its storage")
    if 0 not in shape:
        last = offset + sum((n - 1) * step for n, step in zip(shape, stride, strict=True))
        if (last + 1) * dtype.itemsize > storage.nbytes:
            raise pickle.UnpicklingError("a tensor that is larger than its storage")
    meta = torch.empty_strided(shape, stride, dtype=dtype, device="meta")
    return StoredTensor(meta, lambda: storage.numbers.view(dtype).as_strided(shape, stride, offset))


def _tensor_v2(storage: Any, offset: Any, shape: Any, stride: Any, *_: object) -> StoredTensor:
    return _tensor(storage, offset, shape, stride)


def _tensor_v3(
    storage: Any, offset: Any, shape: Any, stride: Any, _grad: Any, _hooks: Any, dtype: Any, *_: Any
) -> StoredTensor:
    named = getattr(torch, dtype.name.removeprefix("torch."))
    if not isinstance(named, torch.dtype):
        raise pickle.UnpicklingError("a tensor of no dtype")
    return _tensor(storage, offset, shape, stride, named)


def _of_a_subclass(function: Any, _kind: object, arguments: Any, _state: object) -> object:
    call = TENSOR_CALLS.get(function.name)
    return call(*arguments) if call is not None else StandIn(function.name, arguments)


def _itself(value: object, *_: object) -> object:
    return value


TENSOR_CALLS: Mapping[str, Callable[..., object]] = {
    "torch._utils._rebuild_tensor": _tensor_v2,
    "torch._utils._rebuild_tensor_v2": _tensor_v2,
    "torch._utils._rebuild_tensor_v3": _tensor_v3,
    "torch._utils._rebuild_parameter": _itself,
    "torch._utils._rebuild_parameter_with_state": _itself,
    "torch._tensor._rebuild_from_type_v2": _of_a_subclass,
    "torch.Size": _itself,
}
"""What is made of the calls that torch.save writes for tensors, by the names of the functions."""
