"""The engine of a run: from the plan to a file, and to what the manifest and the report say."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

from vmamba_deploy.artifacts.manifest import TRT_LIBRARY_NAME, EngineFacts
from vmamba_deploy.errors import UsageError
from vmamba_deploy.export.onnx_model import OnnxModel
from vmamba_deploy.precisions import PRECISIONS, PrecisionName
from vmamba_deploy.runtimes.tensorrt.plan import EnginePlan, Profile

MIN_SIDE = 32
NETWORK_SCRIPT_NAME = "polygraphy_network.py"
_TURING = (7, 5)
Progress = Callable[[str, float | None], None]


def no_engine(reason: str, plan: EnginePlan) -> EngineFacts:
    """The facts of a run without an engine, of the flavour that would have built it."""
    from vmamba_deploy.runtimes.tensorrt.flavour import likely_flavour

    return EngineFacts(built=False, reason=reason, flavour=likely_flavour(plan.flavour).name)


def engine_summary(engine: EngineFacts, file: Path) -> str:
    """A built engine in one line for a person."""
    return (
        f"{engine.flavour} {engine.version}, {engine.plugin_layers} plugin layers, "
        f"{file.stat().st_size / 1e6:.1f} MB"
    )


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
) -> EngineFacts:
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

    library = library_path("vmamba_trt", progress=progress)
    profile = engine_profile(facts, plan.profile_batches)
    engine = build_engine(
        plan, facts, output, profile=profile, plugin_library=library, progress=on_phase
    )
    if not engine.plugin_embedded:
        beside = output.with_name(TRT_LIBRARY_NAME)
        shutil.copyfile(library, beside)
        script = output.with_name(NETWORK_SCRIPT_NAME)
        write_network_script(facts, beside, script, profile=profile)
    return engine


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
