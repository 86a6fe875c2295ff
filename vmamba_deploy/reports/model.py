"""The report as data. The JSON file has the same names; report.schema.json says what they hold."""

from __future__ import annotations

from dataclasses import dataclass, field

from vmamba_deploy.parity.localise import LayerError
from vmamba_deploy.parity.results import RunResult

SCHEMA_VERSION = "1.0"


@dataclass(frozen=True)
class WeightsInfo:
    """Where the weights came from; `note` warns of random ones."""

    source: str
    sha256: str
    note: str | None = None


@dataclass(frozen=True)
class EngineInfo:
    """The TensorRT engine; when it was not built, `reason` says why and the rest is None."""

    built: bool
    flavour: str | None = None
    version: str | None = None
    plugin_layers: int | None = None
    size_bytes: int | None = None
    build_seconds: float | None = None
    reason: str | None = None


@dataclass(frozen=True)
class LayerSeries:
    """Errors of the layers of one runtime, in the order of execution.

    Attributes:
        runtime: as in the runs.
        drift_nmse: limit above which a layer counts as drifted; None when not looked for.
        first_drift: path of the first layer above it; None when there is none.
    """

    runtime: str
    errors: tuple[LayerError, ...]
    drift_nmse: float | None = None
    first_drift: str | None = None


@dataclass(frozen=True)
class MachineInfo:
    """What the figures were measured on. No name of the machine."""

    cpu: str
    cores: int
    memory_bytes: int
    system: str


@dataclass(frozen=True)
class Report:
    """Everything that report.json and report.html tell.

    Attributes:
        preset: None for an architecture that is no preset.
        created: UTC time, ISO 8601.
        tools: version of each tool by name.
        timings: seconds by step.
        runs: one per runtime; empty when parity was not asked for.
    """

    preset: str | None
    precision: str
    weights: WeightsInfo
    engine: EngineInfo
    runs: tuple[RunResult, ...]
    machine: MachineInfo
    tools: dict[str, str]
    created: str
    timings: dict[str, float] = field(default_factory=dict)
    layers: tuple[LayerSeries, ...] = ()
    schema_version: str = SCHEMA_VERSION

    @property
    def verdict(self) -> str:
        """`failed` if any run failed, `passed` if one passed and none failed, else `unproven`."""
        statuses = {run.status for run in self.runs}
        if "failed" in statuses:
            return "failed"
        return "passed" if "passed" in statuses else "unproven"
