"""What an export run is asked for, checked before anything heavy is imported."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vmamba_deploy.errors import UsageError
from vmamba_deploy.exporting.options import MAX_SIDE, AotiDevice, ExportOptions
from vmamba_deploy.models.checkpoints.choice import WeightsChoice
from vmamba_deploy.models.family import ClassNames
from vmamba_deploy.pipeline.asked_options import AskedOptions
from vmamba_deploy.precisions import BaseName, PrecisionName, precision_named
from vmamba_deploy.preprocessing import IMAGENET_PREPROCESSING
from vmamba_deploy.preprocessing.options import PreprocessingOptions
from vmamba_deploy.quantization.plan import QuantizationPlan
from vmamba_deploy.runtimes.registry import check_required
from vmamba_deploy.runtimes.tensorrt.plan import EnginePlan
from vmamba_deploy.tasks import FEATURES
from vmamba_deploy.tasks.classification import Activation
from vmamba_deploy.user_network.request import Builder, Interface

if TYPE_CHECKING:
    import numpy.typing as npt
    from torch import nn

MAX_CLASSES = 1_000_000
# The last for which the exporter converts every op that the networks use.
MAX_OPSET = 25
_INSTEAD = {
    "--image-size": "--input says the size: --input image=1x3x256x256",
    "--dynamic-size": "--dynamic says which axes are free: --dynamic image=0,2,3",
    "--num-classes": "build() says it",
}


@dataclass(frozen=True, eq=False)
class UserNetworkPlan:
    """A network of a user's.

    Attributes:
        network: the function that makes it, in a file that is imported and run; or itself.
        interface: its inputs and outputs.
        examples: inputs by name that the comparison begins with.
    """

    network: Builder | nn.Module
    interface: Interface
    examples: Mapping[str, npt.NDArray[Any]] | None = None

    @property
    def name(self) -> str:
        """The file's, or the class's."""
        if isinstance(self.network, Builder):
            return self.network.path.stem
        return type(self.network).__name__


@dataclass(frozen=True)
class ExportPlan:
    """Everything that decides what an export run writes.

    Attributes:
        model: preset or alias; None lets the checkpoint's shapes tell.
        weights: path, https URL or `random`.
        choice: which network of a checkpoint, where it has several.
        task: see `ExportOptions.task`; it chooses the family over a backbone's preset, too.
        activation: see `ExportOptions.activation`.
        outputs: see `ExportOptions.outputs`.
        image_size: (height, width); None takes that of the weights, else the usual one of their
            preset: 224 x 224 of a classifier, 512 x 512 for segmentation, 800 x 1088 for detection.
        preprocessing: how images are prepared, where it is not as the weights say.
        inline: see `ExportOptions.inline`; without an engine, which needs the op's nodes.
        output: artefact folder; None takes what `output_folder` says.
        build_engine: False for `--no-engine`.
        check_parity: False for `--no-parity`.
        require: runtimes that must execute the files here, or the export fails as if it disagreed.
        aoti: also write an AOTInductor package, for `aoti_device`.
        network: a user's own; then nothing that is of our networks alone may be asked for.
        quantization: how, where the precision is a quantized one; on what fp16 is calibrated.
        asked: the options that made this plan, which the folder will have; None: there were none.
        labels: what the classes are called, one name each; None: what the weights call them.
    """

    model: str | None = "t"
    weights: str = "random"
    task: str | None = None
    activation: Activation | None = None
    outputs: tuple[str, ...] = ()
    precision: PrecisionName = "fp32"
    output: Path | None = None
    image_size: tuple[int, int] | None = None
    dynamic_size: bool = False
    preprocess: bool = False
    inline: bool = False
    opset: int | None = None
    seed: int = 0
    num_classes: int | None = None
    build_engine: bool = True
    check_parity: bool = True
    require: tuple[str, ...] = ()
    aoti: bool = False
    aoti_device: AotiDevice = "auto"
    choice: WeightsChoice | None = None
    preprocessing: PreprocessingOptions = field(default_factory=PreprocessingOptions)
    engine: EnginePlan = field(default_factory=EnginePlan)
    network: UserNetworkPlan | None = None
    quantization: QuantizationPlan = field(default_factory=QuantizationPlan)
    labels: ClassNames | None = None
    asked: AskedOptions | None = None

    def __post_init__(self) -> None:
        from vmamba_deploy.models import resolve_preset

        if self.network is not None:
            self._check_own_network()
        elif self.model is not None:
            resolve_preset(self.model, self.task)
        elif self.weights == "random":
            raise UsageError(
                "random weights need a preset", hint="name one with --model, e.g. --model t"
            )
        check_required(self.require)
        if self.require and not self.check_parity:
            raise UsageError(
                f"--require {self.require[0]} is of the comparison, and --no-parity leaves it out",
                hint="drop one of them",
            )
        if self.num_classes is not None and not 1 <= self.num_classes <= MAX_CLASSES:
            raise UsageError(
                f"the number of classes must be 1 to {MAX_CLASSES:,}, got {self.num_classes}"
            )
        if self.image_size is not None and max(self.image_size) > MAX_SIDE:
            raise UsageError(
                f"image size {self.image_size[0]}x{self.image_size[1]} is above the limit of "
                f"{MAX_SIDE} pixels a side"
            )
        if self.opset is not None and self.opset > MAX_OPSET:
            raise UsageError(
                f"opset {self.opset} is too new: this release writes up to {MAX_OPSET}"
            )
        if self.inline and self.build_engine:
            raise UsageError(
                "an inlined file has no op for the engine's plugin to take",
                hint="add --no-engine, or export twice",
            )
        if self.aoti and self.dynamic_size:
            raise UsageError(
                "an AOTInductor package has one image size", hint="drop --aoti or --dynamic-size"
            )
        if self.aoti and precision_named(self.precision).quantized:
            raise UsageError(
                f"an AOTInductor package is not quantized, and {self.precision} is asked for",
                hint="drop --aoti, or export it in another precision",
            )
        self.export_options()

    @property
    def base(self) -> BaseName:
        """The precision that the network is exported in, before it is quantized if it is."""
        return self.quantization.base_of(self.precision, engine=self.build_engine)

    def _check_own_network(self) -> None:
        """Refuse what says something of our networks."""
        asked = {
            "--model": self.model,
            "--task": self.task,
            "--activation": self.activation,
            "--image-size": self.image_size,
            "--dynamic-size": self.dynamic_size,
            "--preprocess": self.preprocess,
            "--num-classes": self.num_classes,
            "--aoti": self.aoti,
        }
        if wrong := [option for option, value in asked.items() if value]:
            raise UsageError(
                f"{wrong[0]} is of the networks of this package, and --network brings one",
                hint=_INSTEAD.get(wrong[0], "leave it out"),
            )

    def export_options(self) -> ExportOptions:
        """The part of the plan that decides the ONNX file.

        Raises:
            UsageError: an opset too old for the precision.
        """
        return ExportOptions(
            precision=self.base,
            image_size=self.image_size or IMAGENET_PREPROCESSING.crop_pixels,
            dynamic_size=self.dynamic_size,
            opset=self.opset,
            preprocess=self.preprocess,
            inline=self.inline,
            task=self.task,
            activation=self.activation,
            outputs=self.outputs,
        )

    def output_folder(self, preset: str | None) -> Path:
        """Where the artefacts go: as asked, else after the preset, else after the weights file.

        The task `features` is part of the name when it was asked for: the preset is for another.
        """
        if self.output is not None:
            return self.output
        if self.network is not None:
            return Path("artifacts") / f"{self.network.name}-{self.precision}"
        name = preset or Path(self.weights.partition("#")[0]).stem or "custom"
        if self.task == FEATURES.name:
            name = f"{name}-{self.task}"
        return Path("artifacts") / f"{name}-{self.precision}"
