"""What a network of the user's gives, by name, and how each output is judged."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from torch import Tensor

from vmamba_deploy.errors import InputFileError, UsageError, printable
from vmamba_deploy.tasks.task import Dtype, Output, OutputKind
from vmamba_deploy.user_network.request import AskedOutput

_ALONE = "output"
_WHOLE: Mapping[str, Dtype] = {"int32": "int32", "int64": "int64"}
_KINDS_OF_WHOLE: tuple[OutputKind, ...] = ("label_map",)


def named_outputs(given: object, asked: Sequence[AskedOutput] = ()) -> dict[str, Tensor]:
    """The tensors that `forward` gave, by name; floats become float32, as a file gives them.

    A tensor alone is `output`, those of a tuple are `output_0`, `output_1`, ..., those of a dict
    have its keys; `asked` names them otherwise, or chooses among the keys of a dict.

    Raises:
        InputFileError: something else than tensors, a tuple or list of them, or a dict by name.
        UsageError: another number of names than outputs, or one that a dict has not.
    """
    found = dict(_pairs(given))
    for name, value in found.items():
        if not isinstance(value, Tensor):
            raise InputFileError(
                f"the output {printable(name)} is {type(value).__name__}, expected a tensor",
                hint="forward() returns a tensor, a tuple of tensors or a dict of them by name; "
                "wrap the network in build() if it returns more",
            )
    if asked and isinstance(given, Mapping):
        if lacking := [one.name for one in asked if one.name not in found]:
            raise UsageError(
                f"forward() gives no output {lacking[0]}",
                hint=f"it gives {printable(', '.join(found))}",
            )
        found = {one.name: found[one.name] for one in asked}
    elif asked:
        if len(asked) != len(found):
            raise UsageError(
                f"--outputs names {len(asked)} outputs, forward() gives {len(found)}",
                hint="name each of them, in its order",
            )
        found = dict(zip((one.name for one in asked), found.values(), strict=True))
    return {name: _as_given(name, tensor) for name, tensor in found.items()}


def _pairs(given: object) -> Iterator[tuple[str, Any]]:
    if isinstance(given, Mapping):
        yield from ((str(name), value) for name, value in given.items())
    elif isinstance(given, tuple | list) and len(given) != 1:
        yield from ((f"{_ALONE}_{place}", value) for place, value in enumerate(given))
    else:
        yield _ALONE, given[0] if isinstance(given, tuple | list) else given


def _as_given(name: str, tensor: Tensor) -> Tensor:
    if tensor.is_floating_point():
        return tensor.float()
    if str(tensor.dtype).removeprefix("torch.") not in _WHOLE:
        raise InputFileError(
            f"the output {printable(name)} is {tensor.dtype}, expected floats, int32 or int64",
            hint="return it as integers: .to(torch.int32)",
        )
    return tensor


def output_facts(
    tensors: Mapping[str, Tensor], asked: Sequence[AskedOutput], *, fixed: bool
) -> tuple[Output, ...]:
    """The outputs as a task has them.

    Args:
        tensors: of `named_outputs`.
        asked: their kinds, where the user names them; else integers are labels, and floats a map.
        fixed: whether no axis of the inputs is free, so that every axis is as long as here.

    Raises:
        UsageError: a kind that the output's dtype or shape cannot be.
    """
    kinds = {one.name: one.kind for one in asked}
    return tuple(_fact(name, tensor, kinds.get(name), fixed) for name, tensor in tensors.items())


def _fact(name: str, tensor: Tensor, kind: OutputKind | None, fixed: bool) -> Output:
    whole = not tensor.is_floating_point()
    chosen: OutputKind = kind or ("label_map" if whole else "map")
    if whole != (chosen in _KINDS_OF_WHOLE):
        raise UsageError(
            f"the output {name} is {tensor.dtype}, which a {chosen} is not",
            hint="integers are a label_map, floats logits, a map or an image",
        )
    if chosen == "logits" and tensor.dim() != 2:
        raise UsageError(
            f"the output {name} has shape {list(tensor.shape)}; logits are [batch, classes]",
            hint="a map takes any shape",
        )
    if tensor.dim() == 0:
        raise UsageError(
            f"the output {name} is a single number, which nothing can be said of",
            hint="give it an axis: .reshape(1)",
        )
    shape = tuple(tensor.shape) if fixed else (None,) * tensor.dim()
    dtype = _WHOLE[str(tensor.dtype).removeprefix("torch.")] if whole else "float32"
    return Output(name, chosen, shape, dtype)
