"""The tensors that a network takes beside its images, as a caller gives them or leaves them out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from vmamba_deploy.errors import UsageError
from vmamba_deploy.tasks.task import Axis, Input

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

SIZES = Input("sizes", "int64", ("batch", 2))
"""Height and width [B,2] of each picture within its map, before it was padded; left out, the whole
map is the picture."""


def random_input(one: Input, shape: tuple[int, ...], generator: np.random.Generator) -> Any:
    """An array to try an input with that means nothing to us.

    Standard normal floats and the integers 0 and 1, or what lies between the input's values.
    """
    import numpy as np

    if one.dtype == "float32":
        if one.values is None:
            return generator.standard_normal(shape, dtype=np.float32)
        return generator.uniform(*one.values, shape).astype(np.float32)
    least, largest = one.values or (0, 1)
    return generator.integers(int(least), int(largest), shape, one.dtype, endpoint=True)


def completed_inputs(
    wanted: Sequence[Input],
    given: Mapping[str, npt.NDArray[Any]],
    *,
    batch: int,
    size: tuple[int, int],
) -> dict[str, npt.NDArray[Any]]:
    """The inputs of a network beside pixel_values, with what may be left out filled in.

    Args:
        wanted: of the task.
        given: by name.
        batch: B, of pixel_values.
        size: (height, width) of pixel_values.

    Returns:
        One array for each of `wanted`, in their order.

    Raises:
        UsageError: one that the network does not take, one that is missing and has no usual value,
            or another shape or dtype.
    """
    import numpy as np

    if unknown := given.keys() - {each.name for each in wanted}:
        taken = ", ".join(("pixel_values", *(each.name for each in wanted)))
        raise UsageError(
            f"the model has no input {', '.join(sorted(unknown))}", hint=f"it takes {taken}"
        )
    completed = {}
    for each in wanted:
        if each.name in given:
            completed[each.name] = np.asarray(given[each.name])
            _check(each, completed[each.name], batch, size)
        elif each == SIZES:
            completed[each.name] = np.full((batch, 2), size, dtype=np.int64)
        else:
            raise UsageError(f"the model needs the input {each.name}")
    return completed


def _check(wanted: Input, array: npt.NDArray[Any], batch: int, size: tuple[int, int]) -> None:
    shape = _shape(wanted, batch, size)
    if array.shape != shape or array.dtype != wanted.dtype:
        raise UsageError(
            f"the model takes {wanted.name} {list(shape)} of {wanted.dtype}, got "
            f"{list(array.shape)} of {array.dtype}"
        )
    if wanted == SIZES and not ((array >= 1) & (array <= size)).all():
        raise UsageError(
            f"{wanted.name} must be from 1 to the map's {size[0]} x {size[1]} pixels, got "
            f"{array.tolist()}"
        )


def _shape(wanted: Input, batch: int, size: tuple[int, int]) -> tuple[int, ...]:
    known: dict[Axis, int] = {"batch": batch, "height": size[0], "width": size[1]}
    return tuple(axis if isinstance(axis, int) else known[axis] for axis in wanted.shape)
