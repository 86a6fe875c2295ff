"""From an artefact folder to a `Model`: manifest, runtime, sessions."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from vmamba_deploy.artifacts.manifest import (
    MANIFEST_NAME,
    ONNX_NAME,
    ORT_LIBRARY_NAME,
    Manifest,
    read_manifest,
)
from vmamba_deploy.artifacts.manifest import verify as verify_files
from vmamba_deploy.errors import EnvironmentProblem, InputFileError, IntegrityError, UsageError
from vmamba_deploy.inference.classifier import Classifier
from vmamba_deploy.inference.lanes import LanePool
from vmamba_deploy.inference.model import Model, OpenModel
from vmamba_deploy.runtimes.base import RuntimeStatus
from vmamba_deploy.tasks import CLASSIFICATION, TASKS

RUNTIMES = ("auto", "trt", "rtx", "ort", "ort-cuda")
"""`trt` and `rtx`: the folder's engine, built by that TensorRT; `ort`: ONNX Runtime on the CPU;
`ort-cuda`: on a GPU; `auto`: the first of engine, ONNX Runtime on a GPU and on the CPU that can run
here."""

_ORT_MAX_BATCH = 32
_FLAVOURS = {"trt": "tensorrt", "rtx": "tensorrt_rtx"}


def load(
    folder: str | Path,
    *,
    runtime: str = "auto",
    streams: int = 2,
    threads: int = 0,
    cuda_graphs: bool = True,
    max_batch: int | None = None,
    verify: bool = True,
) -> Model:
    """Open an artefact folder for inference.

    One that classifies gives a `Classifier`.

    Args:
        folder: written by `vmamba-deploy export`.
        runtime: one of `RUNTIMES`.
        streams: calls that run side by side; on a GPU each has a CUDA stream and buffers.
        threads: of ONNX Runtime on the CPU within one call; 0: its own choice.
        cuda_graphs: capture the network of a shape that is called again, and replay it.
        max_batch: images of one execution, at most what an engine's profile allows; None takes
            that, and 32 for ONNX Runtime.
        verify: compare each file with the manifest's sha256. An engine is always compared,
            for an engine is code.

    Raises:
        InputFileError: there is no such folder.
        IntegrityError: it is not what its manifest says, or its export failed.
        EnvironmentProblem: the runtime is not installed or cannot run here; the message says why.
        UsageError: another runtime name, or numbers below 1.
    """
    path = Path(folder)
    if runtime not in RUNTIMES:
        raise UsageError(f"there is no runtime {runtime!r}", hint=f"one of {', '.join(RUNTIMES)}")
    if streams < 1 or (max_batch is not None and max_batch < 1):
        raise UsageError("streams and max_batch must be at least 1")
    if not path.is_dir():
        raise InputFileError(f"there is no folder {path}", hint="`vmamba-deploy export` makes one")
    manifest = read_manifest(path)
    if manifest.task not in TASKS:
        raise IntegrityError(
            f"{path} is for the task {manifest.task!r}, unknown to this release",
            hint="use the release that wrote it",
        )
    chosen = _automatic(path, manifest) if runtime == "auto" else runtime
    if chosen in _FLAVOURS:
        opened = _open_engine(path, manifest, chosen, streams, cuda_graphs)
    else:
        _require_onnx(path, manifest)
        if verify:
            verify_files(path)
        if chosen == "ort":
            opened = _open_onnx_cpu(path, manifest, streams, threads)
        else:
            opened = _open_onnx_cuda(path, manifest, streams, cuda_graphs)
    opened, task = _limited(opened, max_batch), TASKS[manifest.task]
    return Classifier(manifest, opened) if task is CLASSIFICATION else Model(manifest, opened, task)


def load_classifier(folder: str | Path, **options: Any) -> Classifier:
    """As `load`, with its options, for a caller that needs classes.

    Raises:
        UsageError: the folder is no classifier; beside what `load` raises.
    """
    if Path(folder).is_dir():
        read_manifest(Path(folder)).require_classifier(Path(folder))
    model = load(folder, **options)
    assert isinstance(model, Classifier)  # its manifest said so
    return model


def _automatic(folder: Path, manifest: Manifest) -> str:
    """The fastest that can run here."""
    engine = manifest.engine
    if engine.built and not engine.weights_stripped:
        name = next(name for name, flavour in _FLAVOURS.items() if flavour == engine.flavour)
        if _engine_status(folder).available:
            return name
    from vmamba_deploy.runtimes.onnxruntime_cuda import OnnxRuntimeCuda

    library = _library(folder, manifest)
    if library is not None and _cuda_runtime(folder, library, OnnxRuntimeCuda).available:
        return "ort-cuda"
    return "ort"


def _cuda_runtime(folder: Path, library: Path, runtime: Any) -> RuntimeStatus:
    status: RuntimeStatus = runtime(folder / ONNX_NAME, library=library).status()
    return status


def _engine_status(folder: Path) -> RuntimeStatus:
    from vmamba_deploy.runtimes.tensorrt.run import TensorRTRuntime

    return TensorRTRuntime.from_folder(folder).status()


def _open_engine(
    folder: Path, manifest: Manifest, runtime: str, streams: int, cuda_graphs: bool
) -> OpenModel:
    from vmamba_deploy.runtimes.tensorrt.lane import EngineLane
    from vmamba_deploy.runtimes.tensorrt.run import TensorRTRuntime

    reason = manifest.engine.fits(flavour=_FLAVOURS[runtime])
    if manifest.engine.built and reason is not None:
        raise IntegrityError(
            reason,
            hint=f"use runtime='auto', or build one with `vmamba-deploy build --trt {runtime}`",
        )
    engine = TensorRTRuntime.from_folder(folder).load()
    lanes = LanePool([EngineLane(engine, cuda_graphs=cuda_graphs) for _ in range(streams)])
    batches = engine.smallest[0], engine.largest[0]
    return OpenModel(_FLAVOURS[runtime], lanes, batches, engine.close)


def _open_onnx_cpu(folder: Path, manifest: Manifest, streams: int, threads: int) -> OpenModel:
    from vmamba_deploy.runtimes.onnxruntime import OnnxRuntimeSession, create_session

    session = create_session(
        folder / ONNX_NAME,
        library=_library(folder, manifest),
        threads=threads,
        holds_bfloat16=manifest.precision == "bf16",
    )
    # ONNX Runtime's own session takes calls of many threads; each stream gets a turn in it.
    lanes = LanePool([OnnxRuntimeSession(session) for _ in range(streams)])
    return OpenModel("onnxruntime", lanes, _onnx_batches(manifest), _nothing)


def _open_onnx_cuda(folder: Path, manifest: Manifest, streams: int, cuda_graphs: bool) -> OpenModel:
    from vmamba_deploy.runtimes.onnxruntime_cuda import OnnxRuntimeCuda

    library = _library(folder, manifest)
    if library is None:
        raise EnvironmentProblem(
            f"{folder} has no {ORT_LIBRARY_NAME}, without which the scans would run as loops",
            hint="export again with this release",
        )
    runtime = OnnxRuntimeCuda(folder / ONNX_NAME, library=library, cuda_graph=cuda_graphs)
    status = runtime.status()
    if not status.available:
        raise EnvironmentProblem(status.reason)
    lanes = LanePool([runtime.open() for _ in range(streams)])
    return OpenModel(runtime.name, lanes, _onnx_batches(manifest), _nothing)


def _require_onnx(folder: Path, manifest: Manifest) -> None:
    if ONNX_NAME not in manifest.files:
        raise IntegrityError(f"{folder / MANIFEST_NAME} lists no {ONNX_NAME}")


def _library(folder: Path, manifest: Manifest) -> Path | None:
    """Our custom-op library, when it came with the model; without it the function body runs."""
    return folder / ORT_LIBRARY_NAME if ORT_LIBRARY_NAME in manifest.files else None


def _onnx_batches(manifest: Manifest) -> tuple[int, int]:
    fixed = manifest.onnx.inputs[0].shape[0]
    return (fixed, fixed) if isinstance(fixed, int) else (1, _ORT_MAX_BATCH)


def _limited(opened: OpenModel, max_batch: int | None) -> OpenModel:
    smallest, largest = opened.batches
    if max_batch is None:
        return opened
    profiled = opened.runtime in _FLAVOURS.values() or smallest == largest
    if max_batch < smallest or (profiled and max_batch > largest):
        raise UsageError(f"max_batch must be between {smallest} and {largest}, got {max_batch}")
    return OpenModel(opened.runtime, opened.lanes, (smallest, max_batch), opened.release)


def _nothing() -> None:
    """ONNX Runtime frees its session with the last lane that holds it."""
