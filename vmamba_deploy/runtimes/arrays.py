"""The arrays that go into a session and come out of it, whatever executes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from vmamba_deploy.errors import UsageError

if TYPE_CHECKING:
    import numpy.typing as npt

    Array = npt.NDArray[Any]


def fed(names: Sequence[str], pixel_values: Array, others: Mapping[str, Array]) -> dict[str, Array]:
    """The arrays of a call, in the order in which a network takes them.

    Args:
        names: of the network's inputs, the image first, whatever it is called.
        pixel_values: the image.
        others: the other inputs by name.

    Raises:
        UsageError: one too few or too many.
    """
    image, *wanted = names
    if others.keys() != set(wanted):
        takes = " and ".join(wanted) or "nothing"
        raise UsageError(
            f"beside {image} the model takes {takes}, got {', '.join(others) or 'nothing'}"
        )
    return {image: pixel_values} | {name: others[name] for name in wanted}


def given(array: Array) -> Array:
    """An output as a session gives it: float32 of any float, integers as they are."""
    import numpy as np

    return np.asarray(array, dtype=None if array.dtype.kind in "iub" else np.float32)
