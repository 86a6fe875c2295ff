"""What an export is asked for, as data: how to write the file, and the inputs that it takes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Literal

from vmamba_deploy.errors import UsageError
from vmamba_deploy.precisions import PRECISIONS, BaseName, precision_named
from vmamba_deploy.preprocessing import Preprocessing
from vmamba_deploy.tasks import TASKS, Task
from vmamba_deploy.tasks.classification import Activation
from vmamba_deploy.tasks.custom import BATCH
from vmamba_deploy.tasks.task import PIXEL_VALUES, Input, sized

if TYPE_CHECKING:
    import torch

AotiDevice = Literal["auto", "cpu", "cuda"]

MIN_IMAGE_SIZE = 32
MAX_SIDE = 8192
# Of an example whose sides are free, and of those that it is traced for: the last map, 1/32 of it,
# is then larger than 1. The file takes smaller ones as well.
LEAST_SIDE = 2 * MIN_IMAGE_SIZE
# Of an example whose axis is free: torch.export takes a 1 for a constant.
_LEAST_FREE = 2
# protobuf refuses a message of 2 GiB; the graph itself needs some of that.
EXTERNAL_DATA_BYTES = 2_000_000_000


@dataclass(frozen=True)
class ExportOptions:
    """How to write the ONNX file.

    Attributes:
        precision: `fp32`, `fp16` or `bf16`; the graph is strongly typed.
        image_size: side, or (height, width), in pixels; the traced size, fixed in the file unless
            `dynamic_size`.
        dynamic_batch: leave the batch axis free.
        dynamic_size: leave height and width free, from 32 pixels on.
        opset: version of the standard op set; None takes the lowest that the precision allows: 20,
            22 for bf16.
        preprocess: take uint8 NHWC and normalise inside the graph.
        channels: C, of an image; an export takes it from its network.
        inline: write standard ops alone, without nodes and functions of ours, for runtimes that
            do not expand functions; no kernel of ours can then take their place.
        activation: of a classifier, kept in the metadata; None takes the usual one
            (`vmamba_deploy.tasks.classification.chosen_activation`).
        task: what the file is for, a name of `vmamba_deploy.tasks.TASKS`; None takes
            `classification` if the network has a classifier, else `features`.
        outputs: names of outputs that the file has; beside the task's own, which it always has,
            those of its optional ones that are named.
        external_data_bytes: size from which the weights go to `<name>.data` beside the file.
        axes: of a network with inputs of its own, the free axes by name and the size that each is
            traced at; an export takes them from its network, and what is said of images is not for
            it.

    Raises:
        UsageError: a value out of its range.
    """

    precision: BaseName = "fp32"
    image_size: int | tuple[int, int] = 224
    dynamic_batch: bool = True
    dynamic_size: bool = False
    opset: int | None = None
    preprocess: bool = False
    inline: bool = False
    channels: int = 3
    activation: Activation | None = None
    task: str | None = None
    outputs: tuple[str, ...] = ()
    external_data_bytes: int = EXTERNAL_DATA_BYTES
    axes: Mapping[str, int] = field(default_factory=dict, hash=False)

    def __post_init__(self) -> None:
        minimum = precision_named(self.precision).min_opset
        if min(self.size) < 1:
            raise UsageError(
                f"image size {self.size[0]}x{self.size[1]} is too small: both sides must be at "
                "least 1 pixel"
            )
        if self.task is not None:
            if self.task not in TASKS:
                hint = f"one of {', '.join(TASKS)}"
                raise UsageError(f"there is no task {self.task!r}", hint=hint)
            self.check_task(TASKS[self.task])
        if self.target_opset < minimum:
            raise UsageError(
                f"{self.precision} needs opset {minimum} or newer, got {self.target_opset}"
            )

    def check_task(self, task: Task) -> Task:
        """The task with the optional outputs that are asked for.

        Raises:
            UsageError: it has no such output, or does not take images of this size.
        """
        if task.first is None and any(side % task.multiple for side in self.size):
            height, width = (-(-side // task.multiple) * task.multiple for side in self.size)
            raise UsageError(
                f"image size {self.size[0]}x{self.size[1]}: the task {task.name} takes multiples "
                f"of {task.multiple} pixels",
                hint=f"for example --image-size {height}x{width}",
            )
        return task.with_optional(self.outputs)

    def prepared(self, own: Preprocessing | None, task: Task) -> Preprocessing | None:
        """How images are prepared for the file, where its weights say `own`; None: nobody knows.

        A network with inputs of its own says all of it. Of others, another size keeps the ratio of
        the resized shorter side to the crop; what has to fit is padded to the size of a file that
        has one.

        Raises:
            UsageError: padding, which is zero after the normalisation, before a graph that does it.
        """
        if own is None or task.first is not None:
            return own
        fixed = own.fit is not None and not self.dynamic_size
        try:
            return replace(
                own.for_size(self.size), normalisation_in_graph=self.preprocess, fixed=fixed
            )
        except ValueError as error:
            raise UsageError(f"--preprocess cannot be had: {error}", hint="leave it out") from error

    @property
    def target_opset(self) -> int:
        """The op set that the file will use."""
        return PRECISIONS[self.precision].min_opset if self.opset is None else self.opset

    @property
    def input_shape(self) -> tuple[int | str, ...]:
        """Of `pixel_values` in the file: free axes are names."""
        batch: int | str = "batch" if self.dynamic_batch else 1
        sides: tuple[int | str, ...] = ("height", "width") if self.dynamic_size else self.size
        return (batch, *sides, self.channels) if self.preprocess else (batch, self.channels, *sides)

    @property
    def input_dtype(self) -> str:
        """Of `pixel_values`, as NumPy and PyTorch name it."""
        return "uint8" if self.preprocess else "float32"

    @property
    def size(self) -> tuple[int, int]:
        """(height, width) of the traced image."""
        if isinstance(self.image_size, int):
            return self.image_size, self.image_size
        return self.image_size


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
