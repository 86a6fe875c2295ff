"""The engine of a run, what lies beside it and what the manifest says of it; and the build run."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import msgspec

from vmamba_deploy import native
from vmamba_deploy.artifacts.engine_facts import EngineFacts
from vmamba_deploy.artifacts.manifest import (
    ENGINE_NAME,
    ONNX_NAME,
    TRT_LIBRARY_NAME,
    Description,
    Manifest,
    Status,
    read_manifest,
    write_manifest,
)
from vmamba_deploy.artifacts.output_folder import open_output_folder
from vmamba_deploy.errors import InputFileError, UsageError, printable
from vmamba_deploy.exporting.onnx_model import OnnxModel
from vmamba_deploy.files import human_size
from vmamba_deploy.pipeline.events import OnEvent, Steps
from vmamba_deploy.pipeline.source import has_manifest, onnx_file_of
from vmamba_deploy.precisions import PRECISIONS, PrecisionName
from vmamba_deploy.runtimes.onnxruntime import CUSTOM_OP_LIBRARY
from vmamba_deploy.runtimes.openvino import EXTENSION
from vmamba_deploy.runtimes.tensorrt.build import build_engine, check_feasible
from vmamba_deploy.runtimes.tensorrt.builder_config import known_targets
from vmamba_deploy.runtimes.tensorrt.engine_layers import quantized_products
from vmamba_deploy.runtimes.tensorrt.flavour import choose_flavour, likely_flavour
from vmamba_deploy.runtimes.tensorrt.network_script import write_network_script
from vmamba_deploy.runtimes.tensorrt.plan import AxisRanges, EnginePlan, Profile, profile_of
from vmamba_deploy.tasks import FEATURES, Task
from vmamba_deploy.tasks.custom import BATCH, CUSTOM

MIN_SIDE = 32
_USUAL_STEP = 32
NETWORK_SCRIPT_NAME = "polygraphy_network.py"
_LONGEST_REASON = 1000
# Of the GPUs that TensorRT-RTX builds for where no target is named.
_OLDEST_OF_RTX = (8, 0)


def no_engine(reason: str, plan: EnginePlan) -> EngineFacts:
    """The facts of a run without an engine, of the flavour that would have built it."""

    return EngineFacts(built=False, reason=reason, flavour=likely_flavour(plan.flavour).name)


def check_engine_plan(plan: EnginePlan, precision: PrecisionName) -> None:
    """Refuse, before the long work, what cannot be built on this machine.

    Raises:
        UsageError, EnvironmentProblem: see `check_feasible`.
    """

    least = PRECISIONS[precision].least_capability
    if old := [target for target in plan.target_sm if target < least]:
        number = "{}{}".format(*old[0])
        able = [one.name for one in PRECISIONS.values() if one.least_capability <= old[0]]
        raise UsageError(
            f"--target-sm {number} takes {' or '.join(able)} only, not {precision}: TensorRT-RTX "
            "has no other matrix products for it",
            hint=f"add --{able[-1]}, or leave {number} out",
        )
    check_feasible(plan)


def for_precision(plan: EnginePlan, precision: PrecisionName) -> EnginePlan:
    """The plan with targets, where a precision is not of all GPUs that TensorRT-RTX builds for.

    TensorRT-RTX builds for all of them with no warning, and such an engine fails on the older ones
    when it is loaded; one with targets says which GPUs it is for.
    """
    flavour, least = choose_flavour(plan.flavour), PRECISIONS[precision].least_capability
    if plan.target_sm or not flavour.is_rtx or least <= _OLDEST_OF_RTX:
        return plan
    targets = (target for target in known_targets(flavour) if target >= least)
    return replace(plan, target_sm=tuple(sorted(targets)))


def build_engine_file(facts: OnnxModel, plan: EnginePlan, steps: Steps) -> EngineFacts:
    """Build the engine beside its ONNX file, and put the plugin library there unless embedded.

    A plugin beside the engine comes with a network script for polygraphy.

    Raises:
        UsageError, EnvironmentProblem, BuildError, InputFileError: see `build_engine`.
    """
    output = facts.path.with_name(ENGINE_NAME)
    plan = for_precision(plan, facts.precision)
    with steps.step("engine", "building the TensorRT engine") as told:
        title = choose_flavour(plan.flavour).title

        def on_phase(phase: str, step: int, total: int) -> None:
            steps.progress(f"{title}: {phase}", step / total if total else None)

        library = native.library_path("vmamba_trt", progress=steps.progress)
        profile = engine_profile(facts, plan)
        ranges = axis_ranges(facts, plan) if facts.task.first is not None else {}
        engine = build_engine(
            plan,
            facts,
            output,
            profile=profile,
            ranges=ranges,
            plugin_library=library,
            progress=on_phase,
        )
        if not engine.plugin_embedded:
            beside = output.with_name(TRT_LIBRARY_NAME)
            shutil.copyfile(library, beside)
            script = output.with_name(NETWORK_SCRIPT_NAME)
            write_network_script(facts, beside, script, profile=profile, ranges=ranges)
        kinds = [f"{count} {name}" for name, count in (engine.layers_by_plugin or {}).items()]
        of_kinds = f" ({', '.join(kinds)})" if kinds else ""
        told.append(f"{engine.flavour} {engine.version}")
        told.append(f"{engine.plugin_layers} plugin layers{of_kinds}")
        if engine.launches is not None:
            told.append(f"{engine.launches} launches")
        told.append(human_size(output.stat().st_size))
    if engine.launches is not None:
        _warn_of_slow_layers(facts, engine, steps)
    return engine


def _warn_of_slow_layers(facts: OnnxModel, engine: EngineFacts, steps: Steps) -> None:
    narrow = engine.narrow_products or ()
    quantized = list(quantized_products(facts))
    if wide := [name for name in quantized if name not in narrow]:
        steps.warn(
            f"{len(wide)} of {len(quantized)} quantized products are not of 8 bits in the engine, "
            f"{wide[0]} among them: it is slower than it could be"
        )
    if lone := engine.lone_launches:
        steps.warn(
            f"{len(lone)} of {engine.launches} launches of the engine do nothing but quantize, "
            f"that of {lone[0]} among them: it is slower than it could be"
        )


Sizes = tuple[tuple[int, int], tuple[int, int], tuple[int, int]]
"""(height, width) smallest, usual, largest."""


def size_profile(facts: OnnxModel, plan: EnginePlan | None = None) -> Sizes:
    """The sizes of a file: the plan's, else half to double of its own where it leaves them free.

    Where pictures keep their ratio they come upright and across, so that both sides go from half
    of the shorter one to double the longer one, which need not be more than what pictures fit in.

    Raises:
        UsageError: see `planned_sizes`.
    """
    free, usual = facts.has_free_size(), facts.image_size()
    if plan is not None and plan.shapes is not None:
        return planned_sizes(plan, facts.task, usual, free=free, channels_last=facts.takes_bytes())
    if not free:
        return usual, usual, usual
    multiple, longest = facts.task.multiple, facts.longest_side()
    half_height, half_width = (max(MIN_SIDE, side // 2 // multiple * multiple) for side in usual)
    if longest is None:
        return (half_height, half_width), usual, (2 * usual[0], 2 * usual[1])
    least, most = min(half_height, half_width), -(-longest // multiple) * multiple
    most = max(*usual, min(2 * max(usual), most))
    return (least, least), usual, (most, most)


def planned_sizes(
    plan: EnginePlan, task: Task, size: tuple[int, int], *, free: bool, channels_last: bool
) -> Sizes:
    """The sizes that a plan asks for.

    Args:
        plan: of the engine, with shapes.
        task: of the file.
        size: (height, width) of the file.
        free: whether the file takes other sizes.
        channels_last: the file's layout.

    Raises:
        UsageError: sizes that the file or its task does not take, or among which its own is not.
    """
    assert plan.shapes is not None
    rows = slice(1, 3) if channels_last else slice(-2, None)
    (a, b), (c, d), (e, f) = (each if len(each) == 2 else each[rows] for each in plan.shapes)
    smallest, usual, largest = (a, b), (c, d), (e, f)
    sides = (*smallest, *usual, *largest)
    if wrong := [side for side in sides if side % task.multiple or side < MIN_SIDE]:
        raise UsageError(
            f"--shapes: the task {task.name} takes sides from {MIN_SIDE} on, in multiples of "
            f"{task.multiple}, not {wrong[0]}"
        )
    held = all(a <= b <= c for a, b, c in zip(smallest, size, largest, strict=True))
    if not held or (not free and {smallest, usual, largest} != {size}):
        hint = "choose shapes around it" if free else "export with --dynamic-size"
        raise UsageError(f"--shapes do not fit the image size {size[0]}x{size[1]}", hint=hint)
    return smallest, usual, largest


def axis_ranges(facts: OnnxModel, plan: EnginePlan | None = None) -> AxisRanges:
    """Smallest, usual and largest size of each free axis of a network with inputs of its own.

    The batch is the plan's. Another axis goes from half to double of what was traced, in multiples
    of 32 or of the power of two that the traced size has, for networks halve their maps; where the
    plan has whole shapes, the first input's go as they say.

    Raises:
        UsageError: shapes of another number of axes, or that differ where the file is fixed.
    """
    ranges = {}
    for name, size in facts.interface.axes.items():
        step = min(size & -size, _USUAL_STEP)
        ranges[name] = (max(step, size // 2 // step * step), size, 2 * size)
    task = facts.task
    if BATCH in ranges:
        ranges[BATCH] = (plan or EnginePlan()).for_task(task).profile_batches
    first = facts.inputs[0]
    if plan is not None and plan.shapes is not None:
        if {len(shape) for shape in plan.shapes} != {len(first.shape)}:
            raise UsageError(
                f"--shapes: {first.name} has {len(first.shape)} axes",
                hint="give all of them, smallest/usual/largest",
            )
        for place, axis in enumerate(first.shape):
            smallest, usual, largest = (shape[place] for shape in plan.shapes)
            if isinstance(axis, str):
                ranges[axis] = smallest, usual, largest
            elif {smallest, usual, largest} != {axis}:
                raise UsageError(
                    f"--shapes: axis {place} of {first.name} is fixed at {axis}",
                    hint=f"export with --dynamic {first.name}={place}",
                )
    return ranges


def engine_profile(facts: OnnxModel, plan: EnginePlan) -> Profile:
    """The smallest, usual and largest shape of the first input, in the file's own layout.

    Raises:
        UsageError: see `planned_sizes` and `axis_ranges`.
    """
    if facts.task.first is not None:
        return profile_of(facts.inputs[0].shape, axis_ranges(facts, plan))
    channels = facts.channels()
    sizes = size_profile(facts, plan)
    whole = [] if plan.shapes is None else [shape for shape in plan.shapes if len(shape) > 2]
    if lacking := [shape for shape in whole if shape[3 if facts.takes_bytes() else 1] != channels]:
        raise UsageError(f"--shapes: the file takes {channels} channels, not those of {lacking[0]}")
    smallest, usual, largest = (
        (batch, *size, channels) if facts.takes_bytes() else (batch, channels, *size)
        for batch, size in zip(plan.profile_batches, sizes, strict=True)
    )
    return smallest, usual, largest


def describe(
    facts: OnnxModel,
    engine: EngineFacts,
    status: Status,
    status_reason: str | None = None,
    *,
    source: str | None = None,
) -> Description:
    """Everything but the files, taken from the file's own metadata.

    Args:
        source: of the weights, as it was typed; None takes the base name that the file has.

    Raises:
        InputFileError: the file was not written by this package.
    """
    own = facts.metadata.get("task") == CUSTOM
    of_kind = "interface" if own else "preprocessing"
    needed = ("preset", "precision", "weights_source", "weights_sha256", of_kind)
    if missing := [key for key in needed if key not in facts.metadata]:
        raise InputFileError(
            f"{facts.path} was not written by this package: its metadata lacks {', '.join(missing)}"
        )
    fields = {
        "status": status,
        "status_reason": printable(status_reason[:_LONGEST_REASON]) if status_reason else None,
        "preset": facts.metadata["preset"],
        "task": facts.task.name,
        "precision": facts.precision,
        "weights": {
            "source": source or facts.metadata["weights_source"],
            "sha256": facts.metadata["weights_sha256"],
            "key": facts.metadata.get("weights_key"),
            "other_keys": facts.structured("weights_other_keys") or [],
            "architecture": facts.metadata.get("architecture"),
        },
        "versions": facts.structured("tool_versions") or {},
        "onnx": {
            "opset": facts.opset,
            "op_sets": facts.op_sets,
            "inputs": facts.inputs,
            "outputs": facts.outputs,
        },
        "engine": engine,
        "preprocessing": facts.structured("preprocessing"),
        "interface": facts.interface if own else None,
        "quantization": facts.quantization,
        "calibration": facts.calibration,
        "labels": facts.structured("labels"),
        "activation": facts.metadata.get("activation"),
        "palette": facts.structured("palette"),
        # Of maps it is what the weights had beside them, and no concern of who reads the manifest.
        "num_classes": facts.structured("num_classes")
        if facts.task.name != FEATURES.name
        else None,
    }
    try:
        return msgspec.convert(fields, Description)
    except msgspec.ValidationError as error:
        raise InputFileError(f"{facts.path} has metadata of another form: {error}") from error


def add_libraries(folder: Path, steps: Steps) -> None:
    """Copy libvmamba_ort.so to the folder, and libvmamba_openvino.so where OpenVINO is installed.

    What cannot be had is told, and left out: ONNX Runtime then runs the function body of the file,
    true and slow; OpenVINO needs its library.
    """
    wanted = {CUSTOM_OP_LIBRARY: "ONNX Runtime will run loops"}
    if native.LIBRARIES[EXTENSION].is_wanted:
        wanted[EXTENSION] = "OpenVINO cannot run the file from this folder alone"
    able: list[str] = []
    for name, otherwise in wanted.items():
        available, reason = native.available(name)
        if available:
            able.append(name)
        else:
            steps.warn(f"no {native.LIBRARIES[name].file_name}, so {otherwise}: {reason}")
    if not able:
        return
    with steps.step("library", "adding the libraries of the runtimes") as told:
        for name in able:
            library = native.library_path(name, progress=steps.progress)
            shutil.copyfile(library, folder / library.name)
            told.append(f"{library.name}, {human_size(library.stat().st_size)}")


_ENGINE_OVERHEAD_BYTES = 50_000_000


def run_build(
    source: Path, output: Path | None, plan: EnginePlan, on_event: OnEvent
) -> tuple[Path, Manifest]:
    """Write an artefact folder with the ONNX file, its engine, the plugin library and a manifest.

    Its manifest says `unproven`: only `export` and `compare` prove.

    Args:
        source: ONNX file, or an artefact folder.
        output: artefact folder; None rebuilds the folder that `source` is, or makes
            `<name>-engine` beside the file.

    Raises:
        VmambaError: its class says what is wrong; nothing is published then.
    """
    steps = Steps(on_event)
    onnx_path = onnx_file_of(source)
    facts = OnnxModel.read(onnx_path)
    describe(facts, no_engine("not built yet", plan), "unproven")
    if not facts.our_nodes:
        raise InputFileError(
            f"{onnx_path} has no node for the plugin: it is no export of ours, or was inlined",
            hint="`vmamba-deploy export` without --inline writes one that has",
        )
    check_engine_plan(plan, facts.precision)
    plan = plan.for_task(facts.task)
    engine_profile(facts, plan)
    target = output or _default_output(source, onnx_path)
    needed = 2 * facts.size_bytes + _ENGINE_OVERHEAD_BYTES
    with open_output_folder(target, needed_bytes=needed) as folder:
        copy = facts.copied_to(folder.staging / ONNX_NAME)
        add_libraries(folder.staging, steps)
        engine = build_engine_file(copy, plan, steps)
        with steps.step("manifest", "describing the files"):
            typed = read_manifest(source).weights.source if has_manifest(source) else None
            reason = "the engine was not compared"
            described = describe(facts, engine, "unproven", reason, source=typed)
            manifest = write_manifest(folder.staging, described)
        with steps.step("publish", "moving the files into place") as told:
            published = folder.publish()
            told.append(str(published))
    return published, manifest


def _default_output(source: Path, onnx_path: Path) -> Path:
    if has_manifest(source):
        return source
    return onnx_path.with_name(f"{onnx_path.stem}-engine")
