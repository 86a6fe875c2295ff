"""The report as data. The JSON file has the same names."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from vmamba_deploy.artifacts.engine_facts import FlavourName
from vmamba_deploy.artifacts.manifest import Sha256
from vmamba_deploy.artifacts.quantization_facts import CalibrationFacts
from vmamba_deploy.parity.differences import DifferenceHistogram
from vmamba_deploy.parity.localise import LayerError
from vmamba_deploy.parity.results import RunResult
from vmamba_deploy.parity.verdict import PYTORCH_FP32, Verdict
from vmamba_deploy.precisions import PrecisionName
from vmamba_deploy.quantization.results import QuantizationProof
from vmamba_deploy.tasks import CLASSIFICATION


@dataclass(frozen=True)
class WeightsInfo:
    """Where the weights came from; `note` warns of random ones.

    `architecture` says where it is known from, `key` under which the weights were in their file.
    """

    source: str
    sha256: Sha256
    note: str | None = None
    architecture: str | None = None
    key: str | None = None


@dataclass(frozen=True)
class EngineInfo:
    """The TensorRT engine; when it was not built, `reason` says why and the rest is None."""

    built: bool
    flavour: FlavourName | None = None
    version: str | None = None
    plugin_layers: int | None = None
    size_bytes: int | None = None
    build_seconds: float | None = None
    reason: str | None = None

    def __post_init__(self) -> None:
        told = (self.flavour, self.version, self.plugin_layers, self.size_bytes)
        if not self.built and not self.reason:
            raise ValueError("an engine that was not built needs a `reason`")
        if self.built and None in told:
            raise ValueError("an engine that was built needs its version, layers and size")


@dataclass(frozen=True)
class TensorInfo:
    """An input or output of the ONNX file; a free axis has a name in the place of a size."""

    name: str
    dtype: str
    shape: tuple[int | str, ...]


@dataclass(frozen=True)
class Command:
    """A command line that makes something of the report again, and what that is."""

    purpose: str
    line: str


@dataclass(frozen=True)
class LayerInput:
    """NMSE of every layer on one input, in the order of `LayerSeries.errors`; NaN as there."""

    name: str
    nmse: tuple[float, ...]


@dataclass(frozen=True)
class LayerSeries:
    """Errors of the layers of one runtime, in the order of execution.

    Attributes:
        runtime: as in the runs.
        errors: on the first input.
        inputs: of the same layers on each input, the first with them.
        drift_nmse: limit above which a layer counts as drifted; None when not looked for.
        first_drift: path of the first layer above it; None when there is none.
    """

    runtime: str
    errors: tuple[LayerError, ...]
    drift_nmse: float | None = None
    first_drift: str | None = None
    inputs: tuple[LayerInput, ...] = ()


@dataclass(frozen=True)
class MachineInfo:
    """What the figures were measured on. No name of the machine."""

    cpu: str
    cores: int
    memory_bytes: int
    system: str


@dataclass(frozen=True, kw_only=True)
class Report:
    """Everything that report.json and report.html tell.

    Version 1.0. A field may be added within version 1; a change of meaning raises the first number.

    Attributes:
        verdict: `failed` if any run, or a part of the quantization's proof, failed, or a required
            runtime did not run; `passed` if nothing failed and a runtime executed an exported file
            as PyTorch does; else `unproven`.
        statement: the same in a sentence, with what did not run here and why.
        preset: None for an architecture that is no preset.
        task: what the network is for.
        created: UTC time, ISO 8601.
        tools: version of each tool by name.
        timings: seconds by step.
        runs: one per runtime; empty when parity was not asked for.
        quantization: what shows that a quantized file is right, beside the runs.
        calibration: of a file in fp16, where it was calibrated.
        required: runtimes that had to run.
        reference: what the runtimes were compared with.
        inputs: of the ONNX file.
        differences: of the logits, one a runtime that gave any.
        commands: to make the files and the comparison again.
    """

    schema_version: Literal["1.0"] = "1.0"
    verdict: Literal["passed", "failed", "unproven"] = field(init=False)
    statement: str = field(init=False)
    preset: str | None
    precision: PrecisionName
    created: str
    weights: WeightsInfo
    engine: EngineInfo
    runs: tuple[RunResult, ...]
    machine: MachineInfo
    tools: dict[str, str]
    timings: dict[str, float] = field(default_factory=dict)
    layers: tuple[LayerSeries, ...] = ()
    task: str = CLASSIFICATION.name
    quantization: QuantizationProof | None = None
    calibration: CalibrationFacts | None = None
    required: tuple[str, ...] = ()
    reference: str = PYTORCH_FP32
    inputs: tuple[TensorInfo, ...] = ()
    differences: tuple[DifferenceHistogram, ...] = ()
    commands: tuple[Command, ...] = ()

    def __post_init__(self) -> None:
        faults = self.quantization.failures if self.quantization is not None else ()
        found = Verdict(self.runs, self.engine, self.required, faults, self.reference)
        object.__setattr__(self, "verdict", found.status)
        object.__setattr__(self, "statement", found.sentence)
