"""What a file takes: each input with its free axes, and the sizes that it is traced at."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from vmamba_deploy.exporting.options import MIN_IMAGE_SIZE, ExportOptions
from vmamba_deploy.tasks import Task
from vmamba_deploy.tasks.custom import BATCH
from vmamba_deploy.tasks.task import PIXEL_VALUES, Input, sized

if TYPE_CHECKING:
    import torch

MAX_SIDE = 8192
# Of an example whose sides are free, and of those that it is traced for: the last map, 1/32 of it,
# is then larger than 1. The file takes smaller ones as well.
LEAST_SIDE = 2 * MIN_IMAGE_SIZE
# Of an example whose axis is free: torch.export takes a 1 for a constant.
_LEAST_FREE = 2


@dataclass(frozen=True)
class Taken:
    """An input of a file.

    Attributes:
        dtype: by NumPy's and PyTorch's name.
        shape: numbers, and names of free axes; an axis of that name is as long everywhere.
        example: the shape that is traced.
    """

    name: str
    dtype: str
    shape: tuple[int | str, ...]
    example: tuple[int, ...]

    @property
    def free(self) -> dict[int, str]:
        """The names of the free axes, by their number."""
        return {place: axis for place, axis in enumerate(self.shape) if isinstance(axis, str)}


def taken_inputs(options: ExportOptions, task: Task) -> tuple[Taken, ...]:
    """The inputs of a file, in its order.

    Of a network that takes images the options say the first: it is `pixel_values` [B,C,H,W]
    float32, or [B,H,W,C] uint8 with `options.preprocess`.
    """
    sizes = _traced_sizes(options, task)
    own = [task.first] if task.first is not None else []
    found: list[tuple[str, str, tuple[int | str, ...]]] = [
        (one.name, one.dtype, _shape(one)) for one in (*own, *task.inputs)
    ]
    if task.first is None:
        found.insert(0, (PIXEL_VALUES, options.input_dtype, options.input_shape))
    return tuple(Taken(name, dtype, shape, sized(shape, sizes)) for name, dtype, shape in found)


def _shape(one: Input) -> tuple[int | str, ...]:
    assert None not in one.shape  # an input follows from no other
    return tuple(axis for axis in one.shape if axis is not None)


def _traced_sizes(options: ExportOptions, task: Task) -> dict[str, int]:
    if task.first is not None:
        return {name: max(size, _LEAST_FREE) for name, size in options.axes.items()}
    height, width = options.size
    if options.dynamic_size:
        height, width = max(height, LEAST_SIDE), max(width, LEAST_SIDE)
    return {BATCH: _LEAST_FREE, "height": height, "width": width}


def example_inputs(options: ExportOptions, task: Task) -> tuple[torch.Tensor, ...]:
    """Zeros of the traced shapes, larger than what torch.export would take for a constant.

    That is a batch of 1, and a side from which a network makes a map of 1. Sizes of pictures are
    those of the whole map.
    """
    import torch

    from vmamba_deploy.tasks.inputs import completed_inputs

    first, *others = taken_inputs(options, task)
    tensors = [torch.zeros(first.example, dtype=getattr(torch, first.dtype))]
    if task.first is None:
        rows = slice(1, 3) if options.preprocess else slice(2, 4)
        height, width = first.example[rows]
        arrays = completed_inputs(task.inputs, {}, batch=first.example[0], size=(height, width))
        return tensors[0], *(torch.from_numpy(array) for array in arrays.values())
    tensors += [torch.zeros(each.example, dtype=getattr(torch, each.dtype)) for each in others]
    return tuple(tensors)
