"""The build run: an engine from an ONNX file that was exported earlier, perhaps elsewhere."""

from __future__ import annotations

from pathlib import Path

from vmamba_deploy.artifacts.manifest import (
    ENGINE_NAME,
    MANIFEST_NAME,
    ONNX_NAME,
    Manifest,
    write_manifest,
)
from vmamba_deploy.artifacts.output_folder import open_output_folder
from vmamba_deploy.export.onnx_model import OnnxModel
from vmamba_deploy.pipeline.artefacts import onnx_file_of
from vmamba_deploy.pipeline.describe import describe
from vmamba_deploy.pipeline.engine_step import (
    build_engine_file,
    check_engine_plan,
    engine_summary,
    no_engine,
)
from vmamba_deploy.pipeline.events import OnEvent, Steps
from vmamba_deploy.pipeline.ort_library_step import add_ort_library
from vmamba_deploy.runtimes.tensorrt.plan import EnginePlan

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
    check_engine_plan(plan, facts.precision)
    target = output or _default_output(source, onnx_path)
    needed = 2 * facts.size_bytes + _ENGINE_OVERHEAD_BYTES
    with open_output_folder(target, needed_bytes=needed) as folder:
        copy = facts.copied_to(folder.staging / ONNX_NAME)
        add_ort_library(folder.staging, steps)
        with steps.step("engine", "building the TensorRT engine") as told:
            file = copy.path.with_name(ENGINE_NAME)
            engine = build_engine_file(copy, file, plan, steps.progress)
            told.append(engine_summary(engine, file))
        with steps.step("manifest", "describing the files"):
            described = describe(facts, engine, "unproven", "the engine was not compared")
            manifest = write_manifest(folder.staging, described)
        with steps.step("publish", "moving the files into place") as told:
            published = folder.publish()
            told.append(str(published))
    return published, manifest


def _default_output(source: Path, onnx_path: Path) -> Path:
    if source.is_dir() and (source / MANIFEST_NAME).exists():
        return source
    return onnx_path.with_name(f"{onnx_path.stem}-engine")
