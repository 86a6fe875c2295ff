"""What an engine build is asked for and what it yields, as data."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from vmamba_deploy.errors import UsageError
from vmamba_deploy.runtimes.base import check_batches
from vmamba_deploy.runtimes.tensorrt.flavour import Capability, Flavour, FlavourChoice
from vmamba_deploy.tasks import CLASSIFICATION, Task

# Called as progress(phase, step, total); step == total ends a phase.
Progress = Callable[[str, int, int], None]

Profile = tuple[tuple[int, ...], tuple[int, ...], tuple[int, ...]]
"""The smallest, the usual and the largest shape of the first input."""
AxisRanges = Mapping[str, tuple[int, int, int]]
"""The smallest, the usual and the largest size of free axes, by name."""
_SHAPES, _AXES = 3, 4


def profile_of(shape: Sequence[int | str], ranges: AxisRanges) -> Profile:
    """The profile of an input, all of whose free axes have a range."""
    smallest, usual, largest = (
        tuple(axis if isinstance(axis, int) else ranges[axis][which] for axis in shape)
        for which in range(3)
    )
    return smallest, usual, largest


@dataclass(frozen=True)
class EnginePlan:
    """How to build an engine, whatever the file.

    Attributes:
        flavour: `tensorrt`, `rtx`, or `auto`: what is installed and fits the GPU.
        batches: batch sizes of the profile, ascending: smallest, usual and largest; None takes
            those of the shapes, else the task's usual ones.
        shapes: smallest, usual and largest shape of the image, each (height, width), or all four
            axes in the file's own layout; None takes the file's size, half to double where it
            leaves that free.
        embed_plugin: put the plugin library into the engine, which makes the engine code to be
            trusted: whoever loads it runs that library.
        target_sm: compute capabilities to build for, as (8, 6); RTX only. Empty: every one that
            RTX supports by itself; of an engine in fp8 those that multiply in it.
        workspace_mib: device memory that a tactic may use; None leaves it to TensorRT.
        timing_cache: read if it exists, written after the build; not with RTX.
        version_compatible: an engine that newer versions of TensorRT can load too; not with RTX.
        hardware_compatible: an engine for every GPU from Ampere on, not only for this model; those
            of RTX always are.
        strip_weights: leave out the weights; they are put back (refitted) from the ONNX file; needs
            a GPU.

    Raises:
        UsageError: a value out of its range.
    """

    flavour: FlavourChoice = "auto"
    batches: tuple[int, ...] | None = None
    shapes: tuple[tuple[int, ...], ...] | None = None
    embed_plugin: bool = False
    target_sm: tuple[Capability, ...] = ()
    workspace_mib: int | None = None
    timing_cache: Path | None = None
    version_compatible: bool = False
    hardware_compatible: bool = False
    strip_weights: bool = False

    def __post_init__(self) -> None:
        if self.batches is not None:
            self._check_batches(self.batches)
        if self.shapes is not None:
            self._check_shapes(self.shapes)
        if self.workspace_mib is not None and self.workspace_mib < 1:
            raise UsageError(f"the workspace must be at least 1 MiB, got {self.workspace_mib}")

    def _check_batches(self, batches: tuple[int, ...]) -> None:
        if len(batches) > _SHAPES:
            middle = batches[len(batches) // 2]
            sizes = f"{batches[0]},{middle},{batches[-1]}"
            raise UsageError(
                "an engine's profile has three batch sizes, the smallest, the usual and the "
                f"largest, got {','.join(map(str, batches))}",
                hint=f"write --batch {sizes}: every size from {batches[0]} to {batches[-1]} runs",
            )
        # The usual size may be the smallest or the largest.
        ascending = list(batches) == sorted(batches)
        check_batches(tuple(sorted({*batches})) if ascending else batches)

    def _check_shapes(self, shapes: tuple[tuple[int, ...], ...]) -> None:
        example = "for example --shapes 256x256/512x512/1024x1024"
        if len(shapes) != _SHAPES or {*map(len, shapes)} not in ({2}, {_AXES}):
            raise UsageError(
                "--shapes takes the smallest, the usual and the largest shape, each height x width "
                "or all four axes",
                hint=example,
            )
        smallest, usual, largest = shapes
        if not all(1 <= a <= b <= c for a, b, c in zip(smallest, usual, largest, strict=True)):
            raise UsageError("--shapes must not shrink from the smallest to the largest")
        if len(smallest) == _AXES:
            if self.batches is not None:
                raise UsageError("--batch and --shapes both say the batch sizes", hint="drop one")
            check_batches(tuple(sorted({shape[0] for shape in shapes})))

    def for_task(self, task: Task) -> EnginePlan:
        """The plan with the batch sizes that are usual for a task where it says none."""
        return replace(self, batches=task.batches) if self._says_no_batches else self

    @property
    def _says_no_batches(self) -> bool:
        return self.batches is None and (self.shapes is None or len(self.shapes[0]) != _AXES)

    @property
    def profile_batches(self) -> tuple[int, int, int]:
        """(smallest, usual, largest); of two the larger is the usual one, one is all three."""
        if self.batches is None and self.shapes is not None and not self._says_no_batches:
            smallest, usual, largest = (shape[0] for shape in self.shapes)
            return smallest, usual, largest
        batches = self.batches or CLASSIFICATION.batches
        return batches[0], batches[len(batches) // 2], batches[-1]

    def check_flavour(self, flavour: Flavour) -> None:
        """Refuse what the flavour that was chosen does not have.

        Raises:
            UsageError: names the option.
        """
        if self.target_sm and not flavour.is_rtx:
            raise UsageError(
                f"--target-sm is for TensorRT-RTX; {flavour.title} builds for the GPU at hand",
                hint="choose --trt rtx, or leave --target-sm out",
            )
        if self.version_compatible and flavour.is_rtx:
            raise UsageError(
                f"{flavour.title} has no version compatible engines: it comes without the lean "
                "runtime that they carry"
            )
        if self.timing_cache is not None and flavour.is_rtx:
            raise UsageError(
                f"{flavour.title} keeps no timing cache: it tunes its kernels on the GPU, when the "
                "engine is loaded"
            )
        if self.target_sm and self.hardware_compatible:
            raise UsageError(
                "--target-sm names GPUs, --hardware-compatible asks for all from Ampere on",
                hint="give one of the two",
            )
