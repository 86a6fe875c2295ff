"""What an engine build is asked for and what it yields, as data."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from vmamba_deploy.errors import UsageError
from vmamba_deploy.runtimes.tensorrt.flavour import Flavour

MAX_OPTIMIZATION_LEVEL = 5
_PROFILE_LENGTHS = (1, 3)

# Called as progress(phase, step, total); step == total ends a phase.
Progress = Callable[[str, int, int], None]


@dataclass(frozen=True)
class EnginePlan:
    """One engine to build.

    Attributes:
        onnx_path: a file of `vmamba_deploy.export`, or like it.
        flavour: see `choose_flavour`.
        batch: one size for a static engine, or (smallest, usual, largest).
        image_sizes: (height, width), one or (smallest, usual, largest); needed only where the file
            leaves them free.
        plugin_library: `libvmamba_trt.so`; None builds or finds it.
        workspace_bytes: device memory that a tactic may use; None leaves it to TensorRT.
        timing_cache: read if it exists, written after the build; not with RTX.
        version_compatible: an engine that newer versions of TensorRT can load too; not with RTX.
        hardware_compatible: an engine for every GPU from Ampere on, not only for this model; those
            of RTX always are.
        strip_weights: leave out the weights; they are put back (refitted) from the ONNX file; needs
            a GPU.
        target_sms: compute capabilities to build for, as 86 for 8.6; RTX only. Empty: every one
            that RTX supports by itself.
        embed_plugin: put the plugin library into the engine, which makes the engine code to be
            trusted: whoever loads it runs that library.
        optimization_level: 0..5, None for TensorRT's default.

    Raises:
        UsageError: a value out of its range, or one that the flavour does not have.
    """

    onnx_path: Path
    flavour: Flavour
    batch: tuple[int, ...] = (1, 8, 32)
    image_sizes: tuple[tuple[int, int], ...] = ()
    plugin_library: Path | None = None
    workspace_bytes: int | None = None
    timing_cache: Path | None = None
    version_compatible: bool = False
    hardware_compatible: bool = False
    strip_weights: bool = False
    target_sms: tuple[int, ...] = ()
    embed_plugin: bool = False
    optimization_level: int | None = None

    def __post_init__(self) -> None:
        _check_rising("--batch", [(size,) for size in self.batch], example="1,8,32")
        if self.image_sizes:
            _check_rising("the image sizes", self.image_sizes, example="three sizes")
        if self.workspace_bytes is not None and self.workspace_bytes < 1:
            raise UsageError(f"the workspace must be at least 1 byte, got {self.workspace_bytes}")
        level = self.optimization_level
        if level is not None and not 0 <= level <= MAX_OPTIMIZATION_LEVEL:
            raise UsageError(f"the optimization level must be in 0..5, got {level}")
        if self.target_sms and not self.flavour.is_rtx:
            raise UsageError(
                f"--target-sm is for TensorRT-RTX; {self.flavour.title} builds for the GPU at hand",
                hint="choose --trt rtx, or leave --target-sm out",
            )
        if self.flavour.is_rtx:
            self._check_rtx()
        if self.target_sms and self.hardware_compatible:
            raise UsageError(
                "--target-sm names GPUs, --hardware-compatible asks for all from Ampere on",
                hint="give one of the two",
            )
        unknown = [str(sm) for sm in self.target_sms if not 10 <= sm <= 999]
        if unknown:
            raise UsageError(
                f"--target-sm takes numbers like 86 for compute capability 8.6, got {unknown[0]}"
            )

    def _check_rtx(self) -> None:
        if self.version_compatible:
            raise UsageError(
                f"{self.flavour.title} has no version compatible engines: it comes without the "
                "lean runtime that they carry"
            )
        if self.timing_cache is not None:
            raise UsageError(
                f"{self.flavour.title} keeps no timing cache: it tunes its kernels on the GPU, "
                "when the engine is loaded"
            )

    @property
    def batch_profile(self) -> tuple[int, int, int]:
        """(smallest, usual, largest)."""
        return self.batch[0], self.batch[len(self.batch) // 2], self.batch[-1]

    @property
    def size_profile(self) -> tuple[tuple[int, int], ...]:
        """(smallest, usual, largest) size, or nothing."""
        sizes = self.image_sizes
        return (sizes[0], sizes[len(sizes) // 2], sizes[-1]) if sizes else ()


@dataclass(frozen=True)
class BuiltEngine:
    """An engine file as it was built.

    Attributes:
        path: the engine.
        flavour: `tensorrt` or `tensorrt_rtx`.
        version: of the TensorRT that built it, to which it is bound unless version compatible.
        plugin_layers: selective scans in the network, all of them our plugin.
        plugin_library: what must be loaded beside it.
        plugin_embedded: whether the library is inside the engine as well.
        compute_capabilities: `8.6` and so on; empty where TensorRT-RTX chose by itself.
        batch: (smallest, usual, largest).
        size_bytes: of the file.
        build_seconds: parsing and building, without the plugin's compilation.
    """

    path: Path
    flavour: str
    version: str
    plugin_layers: int
    plugin_library: Path
    plugin_embedded: bool
    compute_capabilities: tuple[str, ...]
    batch: tuple[int, int, int]
    size_bytes: int
    build_seconds: float


def _check_rising(name: str, values: Sequence[Sequence[int]], *, example: str) -> None:
    """One or three tuples of positive ints, no element of which falls from one to the next."""
    rows = [tuple(row) for row in values]
    if len(rows) not in _PROFILE_LENGTHS:
        raise UsageError(f"{name} takes one value or three like {example}, got {len(rows)}")
    if any(number < 1 for row in rows for number in row):
        raise UsageError(f"{name} must be at least 1 everywhere, got {_shown(rows)}")
    for before, after in itertools.pairwise(rows):
        if any(low > high for low, high in zip(before, after, strict=True)):
            raise UsageError(f"{name} must rise from smallest to largest, got {_shown(rows)}")


def _shown(rows: list[tuple[int, ...]]) -> str:
    return ",".join("x".join(str(number) for number in row) for row in rows)
