"""What an export run is asked for, checked before anything heavy is imported."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from vmamba_deploy.errors import UsageError
from vmamba_deploy.export.aoti_package import AotiDevice
from vmamba_deploy.export.options import ExportOptions
from vmamba_deploy.pipeline.onnx_facts import Precision

Flavour = Literal["auto", "tensorrt", "rtx"]

MAX_IMAGE_SIZE = 8192
MAX_BATCH = 4096
# The last for which the exporter converts every op that the networks use.
MAX_OPSET = 25


def check_batches(batches: tuple[int, ...]) -> None:
    """Raise UsageError unless the batch sizes are positive, distinct and ascending."""
    if not batches:
        raise UsageError("no batch size given", hint="for example --batch 1,8,32")
    for batch in batches:
        if not 1 <= batch <= MAX_BATCH:
            raise UsageError(f"a batch size must be between 1 and {MAX_BATCH}, got {batch}")
    if list(batches) != sorted(set(batches)):
        raise UsageError(
            f"batch sizes must ascend without repetition, got {','.join(map(str, batches))}",
            hint=f"write --batch {','.join(map(str, sorted(set(batches))))}",
        )


@dataclass(frozen=True)
class EnginePlan:
    """How to build the TensorRT engine.

    Attributes:
        flavour: `tensorrt`, `rtx`, or `auto`: what is installed and fits the GPU.
        batches: batch sizes of the profile, ascending: smallest, usual and largest.
        embed_plugin: put the plugin library inside the engine instead of beside it.
        target_sm: compute capabilities to build for, (8, 6); empty takes the flavour's default.
        workspace_mib: limit of the builder's scratch memory; None leaves it to TensorRT.
        timing_cache: file to read and update.
        version_compatible: also loadable by later TensorRT versions.
        hardware_compatible: also runnable on newer GPUs.
        strip_weights: leave the weights out of the engine, to be refitted.
    """

    flavour: Flavour = "auto"
    batches: tuple[int, ...] = (1, 8, 32)
    embed_plugin: bool = False
    target_sm: tuple[tuple[int, int], ...] = ()
    workspace_mib: int | None = None
    timing_cache: Path | None = None
    version_compatible: bool = False
    hardware_compatible: bool = False
    strip_weights: bool = False

    def __post_init__(self) -> None:
        check_batches(self.batches)
        if self.workspace_mib is not None and self.workspace_mib < 1:
            raise UsageError(f"the workspace must be at least 1 MiB, got {self.workspace_mib}")

    @property
    def profile_batches(self) -> tuple[int, int, int]:
        """(smallest, usual, largest): the middle one of the list is the usual one."""
        return self.batches[0], self.batches[len(self.batches) // 2], self.batches[-1]


@dataclass(frozen=True)
class ExportPlan:
    """Everything that decides what an export run writes.

    Attributes:
        model: preset or alias; None lets the checkpoint's shapes tell.
        weights: path, https URL or `random`.
        output: artefact folder; None takes `artifacts/<preset>-<precision>`.
        build_engine: False for `--no-engine`.
        check_parity: False for `--no-parity`.
        aoti: also write an AOTInductor package, for `aoti_device`.
    """

    model: str | None = "t"
    weights: str = "random"
    precision: Precision = "fp32"
    output: Path | None = None
    image_size: tuple[int, int] = (224, 224)
    dynamic_size: bool = False
    preprocess: bool = False
    opset: int | None = None
    seed: int = 0
    num_classes: int = 1000
    build_engine: bool = True
    check_parity: bool = True
    aoti: bool = False
    aoti_device: AotiDevice = "auto"
    engine: EnginePlan = EnginePlan()

    def __post_init__(self) -> None:
        from vmamba_deploy.models.vmamba.presets import resolve_preset

        if self.model is not None:
            resolve_preset(self.model)
        elif self.weights == "random":
            raise UsageError(
                "random weights need a preset", hint="name one with --model, e.g. --model t"
            )
        if self.num_classes < 1:
            raise UsageError(f"the number of classes must be at least 1, got {self.num_classes}")
        if max(self.image_size) > MAX_IMAGE_SIZE:
            raise UsageError(
                f"image size {self.image_size[0]}x{self.image_size[1]} is above the limit of "
                f"{MAX_IMAGE_SIZE} pixels a side"
            )
        if self.opset is not None and self.opset > MAX_OPSET:
            raise UsageError(
                f"opset {self.opset} is too new: this release writes up to {MAX_OPSET}"
            )
        if self.aoti and self.dynamic_size:
            raise UsageError(
                "an AOTInductor package has one image size", hint="drop --aoti or --dynamic-size"
            )
        self.export_options()

    def export_options(self) -> ExportOptions:
        """The part of the plan that decides the ONNX file.

        Raises:
            UsageError: an image below 32 pixels, or an opset too old for the precision.
        """
        return ExportOptions(
            precision=self.precision,
            image_size=self.image_size,
            dynamic_size=self.dynamic_size,
            opset=self.opset,
            preprocess=self.preprocess,
        )

    def output_folder(self, preset: str | None) -> Path:
        """Where the artefacts go: as asked, else after the preset, else after the weights file."""
        if self.output is not None:
            return self.output
        name = preset or Path(self.weights.partition("#")[0]).stem or "custom"
        return Path("artifacts") / f"{name}-{self.precision}"
