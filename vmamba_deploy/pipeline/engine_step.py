"""The engine of a run: from the plan to a file, and to what the manifest and the report say."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vmamba_deploy.errors import UsageError
from vmamba_deploy.export.onnx_model import OnnxModel
from vmamba_deploy.ops.selective_scan_2d.specification import SELECTIVE_SCAN_2D
from vmamba_deploy.precisions import PRECISIONS, PrecisionName
from vmamba_deploy.runtimes.tensorrt.plan import BuiltEngine, EnginePlan, Profile

MIN_SIDE = 32
NETWORK_SCRIPT_NAME = "polygraphy_network.py"
_TURING = (7, 5)
Progress = Callable[[str, float | None], None]


@dataclass(frozen=True)
class EngineRecord:
    """What became of the engine.

    Attributes:
        built: None when there is no engine.
        reason: why there is none.
        plan: it was built with.
    """

    built: BuiltEngine | None
    reason: str | None
    plan: EnginePlan

    def summary(self) -> str:
        """One line for a person."""
        if self.built is None:
            return f"no engine: {self.reason}"
        return (
            f"{self.built.flavour} {self.built.version}, {self.built.plugin_layers} plugin layers, "
            f"{self.built.size_bytes / 1e6:.1f} MB"
        )

    def as_manifest(self) -> dict[str, Any]:
        """The manifest's `engine`."""
        built = self.built
        if built is None:
            from vmamba_deploy.runtimes.tensorrt.flavour import likely_flavour

            flavour = likely_flavour(self.plan.flavour).name
            return {"built": False, "reason": self.reason, "flavour": flavour}
        smallest, usual, largest = (list(shape) for shape in built.profile)
        return {
            "built": True,
            "reason": None,
            "flavour": built.flavour,
            "version": built.version,
            "compute_capabilities": list(built.compute_capabilities),
            "version_compatible": self.plan.version_compatible,
            "hardware_compatible": self.plan.hardware_compatible,
            "weights_stripped": self.plan.strip_weights,
            "plugin_layers": built.plugin_layers,
            "build_seconds": round(built.build_seconds, 3),
            "profile": {"min": smallest, "opt": usual, "max": largest},
            "plugin": {
                **dict(
                    zip(("name", "version", "namespace"), SELECTIVE_SCAN_2D.plugin, strict=True)
                ),
                "delivery": "embedded" if built.plugin_embedded else "beside",
            },
        }


def no_engine(reason: str, plan: EnginePlan) -> EngineRecord:
    """The record of a run without an engine."""
    return EngineRecord(None, reason, plan)


def check_engine_plan(plan: EnginePlan, precision: PrecisionName) -> None:
    """Refuse, before the long work, what cannot be built on this machine.

    Raises:
        UsageError, EnvironmentProblem: see `check_feasible`.
    """
    from vmamba_deploy.runtimes.tensorrt.build import check_feasible

    if _TURING in plan.target_sm and not PRECISIONS[precision].turing:
        able = [one.name for one in PRECISIONS.values() if one.turing]
        raise UsageError(
            f"--target-sm 75 takes {' or '.join(able)} only, not {precision}: TensorRT-RTX has no "
            "other matrix products for it",
            hint=f"add --{able[0]}, or leave 75 out",
        )
    check_feasible(plan)


def build_engine_file(
    facts: OnnxModel, output: Path, plan: EnginePlan, progress: Progress
) -> EngineRecord:
    """Build the engine of an ONNX file, and put the plugin library beside it unless embedded.

    A plugin beside the engine comes with a network script for polygraphy.

    Raises:
        UsageError, EnvironmentProblem, BuildError, InputFileError: see `build_engine`.
    """
    from vmamba_deploy.native import library_path
    from vmamba_deploy.runtimes.tensorrt.build import build_engine
    from vmamba_deploy.runtimes.tensorrt.flavour import choose_flavour
    from vmamba_deploy.runtimes.tensorrt.network_script import write_network_script

    title = choose_flavour(plan.flavour).title

    def on_phase(phase: str, step: int, total: int) -> None:
        progress(f"{title}: {phase}", step / total if total else None)

    built = build_engine(
        plan,
        facts.path,
        output,
        profile=engine_profile(facts, plan.profile_batches),
        plugin_library=library_path("vmamba_trt", progress=progress),
        progress=on_phase,
    )
    if not built.plugin_embedded:
        library = output.parent / built.plugin_library.name
        shutil.copyfile(built.plugin_library, library)
        script = output.parent / NETWORK_SCRIPT_NAME
        write_network_script(facts.path, library, script, profile=built.profile)
    return EngineRecord(built, None, plan)


def size_profile(facts: OnnxModel) -> tuple[tuple[int, int], tuple[int, int], tuple[int, int]]:
    """(height, width) smallest, usual, largest: half to double where the file leaves them free."""
    height, width = facts.image_size()
    if not facts.has_free_size():
        return (height, width), (height, width), (height, width)
    smallest = max(MIN_SIDE, height // 2), max(MIN_SIDE, width // 2)
    return smallest, (height, width), (2 * height, 2 * width)


def engine_profile(facts: OnnxModel, batches: tuple[int, int, int]) -> Profile:
    """The smallest, usual and largest shape of the input, in the file's own layout."""
    smallest, usual, largest = (
        (batch, *size, 3) if facts.takes_bytes() else (batch, 3, *size)
        for batch, size in zip(batches, size_profile(facts), strict=True)
    )
    return smallest, usual, largest
