"""From an artefact folder to a `Model`: manifest, runtime, sessions."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

from vmamba_deploy.artifacts.manifest import MANIFEST_NAME, read_manifest
from vmamba_deploy.artifacts.remarks import changeable_by_anyone
from vmamba_deploy.errors import InputFileError, IntegrityError, UsageError, VmambaError
from vmamba_deploy.inference.classifier import Classifier
from vmamba_deploy.inference.detector import Detector
from vmamba_deploy.inference.lanes import LanePool
from vmamba_deploy.inference.model import Model, OpenModel
from vmamba_deploy.inference.segmenter import Segmenter
from vmamba_deploy.inference.user_model import UserModel
from vmamba_deploy.preprocessing import MAX_PIXELS
from vmamba_deploy.runtimes.base import ServedModel, Service, Serving
from vmamba_deploy.runtimes.registry import runtime_choices, services
from vmamba_deploy.tasks import CLASSIFICATION, DETECTION, SEGMENTATION
from vmamba_deploy.tasks.custom import CUSTOM

RUNTIMES = runtime_choices()
"""`trt` and `rtx`: the folder's engine, built by that TensorRT; `ort`: ONNX Runtime on the CPU;
`ort-cuda`: on a GPU; `openvino`: OpenVINO on the CPU; `auto`: the first of engine, ONNX Runtime on
a GPU and on the CPU that can run here."""

_MODELS: Mapping[str, type[Model]] = MappingProxyType(
    {
        CLASSIFICATION.name: Classifier,
        SEGMENTATION.name: Segmenter,
        DETECTION.name: Detector,
        CUSTOM: UserModel,
    }
)
"""What does with a task's outputs what its users want."""

_ATTEMPTS = 5


def load(
    folder: str | Path,
    *,
    runtime: str = "auto",
    streams: int = 2,
    threads: int = 0,
    cuda_graphs: bool = True,
    max_batch: int | None = None,
    verify: bool = True,
    max_pixels: int = MAX_PIXELS,
) -> Model:
    """Open an artefact folder for inference.

    One that classifies gives a `Classifier`, one for segmentation a `Segmenter`, and one for
    detection a `Detector`; a user's own network a `UserModel`. A folder that an export replaces
    meanwhile is opened again, so that all of it is of one export.

    Args:
        folder: written by `vmamba-deploy export`.
        runtime: one of `RUNTIMES`.
        streams: calls that run side by side; on a GPU each has a CUDA stream and buffers.
        threads: of ONNX Runtime on the CPU within one call; 0: its own choice.
        cuda_graphs: capture the network of a shape that is called again, and replay it.
        max_batch: images of one execution, at most what an engine's profile allows; None takes
            that, and 32 for ONNX Runtime.
        verify: compare each file with the manifest's sha256. An engine is always compared,
            for an engine is code. Pipes, devices and code that is not listed are refused in any
            case.
        max_pixels: largest height times width of an image; decoding takes four bytes a pixel, and
            eight where EXIF turns it.

    Raises:
        InputFileError: there is no such folder.
        IntegrityError: it is not what its manifest says, or its export failed.
        EnvironmentProblem: the runtime is not installed or cannot run here; the message says why.
        UsageError: another runtime name, or numbers below 1.
    """
    path = Path(folder)
    choices = runtime_choices()
    if runtime not in choices:
        raise UsageError(f"there is no runtime {runtime!r}", hint=f"one of {', '.join(choices)}")
    if min(streams, max_pixels, 1 if max_batch is None else max_batch) < 1:
        raise UsageError("streams, max_batch and max_pixels must be at least 1")
    if not path.is_dir():
        if path.exists():
            raise InputFileError(
                f"{path} is a file; an artefact folder is loaded as a whole",
                hint=f"load({str(path.parent)!r}), if `vmamba-deploy export` wrote that folder",
            )
        raise InputFileError(f"there is no folder {path}", hint="`vmamba-deploy export` makes one")
    for _ in range(_ATTEMPTS):
        of_manifest = _identities(path, [MANIFEST_NAME])
        manifest = read_manifest(path)
        names = [MANIFEST_NAME, *manifest.files]
        before = of_manifest + _identities(path, names[1:])
        try:
            serving = Serving(path, manifest, streams, threads, cuda_graphs, verify)
            model = _open(serving, runtime, max_batch, max_pixels)
        except VmambaError:
            if _identities(path, names) == before:
                raise
            continue
        if _identities(path, names) == before:
            return model
        # An export took the place of what was verified: this may be the old manifest of a new file.
        model.close()
    raise IntegrityError(
        f"{path} was replaced {_ATTEMPTS} times while it was opened",
        hint="load it when the exports into it have ended",
    )


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


def _open(serving: Serving, runtime: str, max_batch: int | None, max_pixels: int) -> Model:
    manifest = serving.manifest
    task = manifest.known_task
    if task is None:
        raise IntegrityError(
            f"{serving.folder} is for the task {manifest.task!r}, unknown to this release",
            hint="use the release that wrote it",
        )
    for remark in changeable_by_anyone(serving.folder, manifest):
        warnings.warn(remark, stacklevel=3)
    service = _automatic(serving) if runtime == "auto" else services()[runtime]
    served = service.open(serving)
    lanes = LanePool(served.sessions)
    batches = _batches(served, max_batch)
    opened = OpenModel(served.runtime, lanes, batches, served.release, max_pixels)
    return _MODELS.get(task.name, Model)(manifest, opened, task)


def _identities(folder: Path, names: Iterable[str]) -> list[tuple[int, ...] | None]:
    """Which files have these names now: what differs when another took the place of one."""
    found: list[tuple[int, ...] | None] = []
    for name in names:
        try:
            status = (folder / name).stat()
        except OSError:
            found.append(None)
        else:
            found.append((status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns))
    return found


def _automatic(serving: Serving) -> Service:
    """The first that can run here, those on a GPU before the others."""
    ordered = sorted(services().values(), key=lambda service: not service.needs_gpu)
    able = (service for service in ordered if service.status(serving).available)
    # Where nothing can, the first that needs no GPU says best what is missing.
    return next(able, next(service for service in ordered if not service.needs_gpu))


def _batches(served: ServedModel, max_batch: int | None) -> tuple[int, int]:
    smallest, largest = served.batches
    if max_batch is None:
        return served.batches
    if max_batch < smallest or (served.fixed and max_batch > largest):
        raise UsageError(f"max_batch must be between {smallest} and {largest}, got {max_batch}")
    return smallest, max_batch
