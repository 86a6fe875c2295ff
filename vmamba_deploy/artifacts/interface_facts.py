"""What a file or a manifest says of a user's network beside the names and shapes of its tensors."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Annotated, Protocol, get_args

from msgspec import Meta, Struct

from vmamba_deploy.artifacts.engine_facts import Positive
from vmamba_deploy.tasks import Output, OutputKind, Task
from vmamba_deploy.tasks.custom import custom_task
from vmamba_deploy.tasks.task import Dtype, Input

_MAX_TENSORS = 64
_Entries = Meta(max_length=_MAX_TENSORS)


class _Tensor(Protocol):
    """Name, dtype and shape, as `TensorFacts` has them."""

    @property
    def name(self) -> str: ...
    @property
    def dtype(self) -> str: ...
    @property
    def shape(self) -> tuple[int | str, ...]: ...


class InterfaceFacts(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Of a network with inputs and outputs of its own.

    Attributes:
        network: what it was made by, for a person: `file.py:build`, or a class.
        kinds: of its outputs, by name.
        axes: sizes at which its free axes were traced, by name.
        values: the least and the largest that an input may be tried with, where that was said.
    """

    network: str
    kinds: Annotated[dict[str, OutputKind], _Entries]
    axes: Annotated[dict[str, Positive], _Entries] = {}
    values: Annotated[dict[str, tuple[float, float]], _Entries] = {}

    def task(self, inputs: Sequence[_Tensor], outputs: Sequence[_Tensor]) -> Task:
        """The task of a file with these tensors.

        Raises:
            ValueError: the tensors are others than those that this is of, or have other dtypes.
        """
        free = {axis for each in inputs for axis in each.shape if isinstance(axis, str)}
        if free != self.axes.keys():
            raise ValueError(f"the free axes are {sorted(free)}, traced are {sorted(self.axes)}")
        if self.kinds.keys() != {each.name for each in outputs}:
            raise ValueError(f"the outputs with a kind are {', '.join(self.kinds)}")
        if unknown := self.values.keys() - {each.name for each in inputs}:
            raise ValueError(f"there are values of {sorted(unknown)[0]}, which is no input")
        if not all(
            low <= high < math.inf and low > -math.inf for low, high in self.values.values()
        ):
            raise ValueError("the values of an input are from the least to the largest")
        return custom_task(
            [
                Input(each.name, _dtype(each), each.shape, self.values.get(each.name))
                for each in inputs
            ],
            [
                Output(each.name, self.kinds[each.name], (None,) * len(each.shape), _dtype(each))
                for each in outputs
            ],
        )


def _dtype(tensor: _Tensor) -> Dtype:
    for known in get_args(Dtype):
        if known == tensor.dtype:
            return known  # type: ignore[no-any-return]
    raise ValueError(f"{tensor.name} is {tensor.dtype}, expected {', '.join(get_args(Dtype))}")
