"""The proof of a run: the files, read back from disk, against the PyTorch network in fp32."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from vmamba_deploy.artifacts.manifest import MANIFEST_NAME, TRT_LIBRARY_NAME, EngineFacts
from vmamba_deploy.export.onnx_model import OnnxModel
from vmamba_deploy.pipeline.engine_step import size_profile
from vmamba_deploy.precisions import PrecisionName
from vmamba_deploy.runtimes.base import RuntimeStatus

if TYPE_CHECKING:
    from torch import nn

    from vmamba_deploy.models import LoadedModel
    from vmamba_deploy.parity.inputs import InputSet
    from vmamba_deploy.parity.results import RunResult
    from vmamba_deploy.runtimes.base import Runtime, Session

Progress = Callable[[str, float | None], None]


class AbsentEngine:
    """Stands for the engine that was not built, so that the report says why it did not run."""

    def __init__(self, name: str, reason: str) -> None:
        self.name = name
        self._reason = reason

    def status(self) -> RuntimeStatus:
        """Never available."""
        return RuntimeStatus(False, f"no engine: {self._reason}")

    def open(self) -> Session:
        """There is nothing to open; `status` says so first."""
        raise FileNotFoundError(self._reason)


def check_parity(
    facts: OnnxModel,
    loaded: LoadedModel,
    *,
    engine: EngineFacts,
    batches: Sequence[int],
    seed: int = 0,
    progress: Progress,
) -> tuple[RunResult, ...]:
    """Compare every runtime that can execute the files with PyTorch in fp32.

    Args:
        facts: of the ONNX file on disk; the engine, if built, is `model.engine` beside it.
        loaded: the fp32 network it was made from.
        engine: the manifest's `engine`.
        batches: sizes to compare at.
        seed: of the random inputs.
        progress: told what runs and the fraction done.

    Raises:
        InputFileError: the reference itself gives outputs that are not finite.
    """
    from vmamba_deploy.parity.compare import compare_runtimes
    from vmamba_deploy.runtimes.aotinductor import PACKAGE_NAME, AotInductorRuntime
    from vmamba_deploy.runtimes.onnxruntime import (
        CUSTOM_OP_LIBRARY,
        OnnxRuntimeBody,
        OnnxRuntimeLibrary,
    )
    from vmamba_deploy.runtimes.onnxruntime_cuda import OnnxRuntimeCuda, cuda_package
    from vmamba_deploy.runtimes.pytorch import PyTorchRuntime

    beside = facts.path.with_name(f"lib{CUSTOM_OP_LIBRARY}.so")
    shipped = beside if beside.is_file() else None
    reference = PyTorchRuntime(network(facts, loaded, "fp32"), facts.task)
    candidates: list[Runtime] = [
        PyTorchRuntime(network(facts, loaded, facts.precision), facts.task),
        OnnxRuntimeBody(facts),
        OnnxRuntimeLibrary(facts, library=shipped),
        engine_runtime(facts.path.with_suffix(".engine"), engine),
    ]
    if cuda_package() is not None:
        candidates.append(OnnxRuntimeCuda(facts.path, library=shipped))
    package = facts.path.with_name(PACKAGE_NAME)
    if package.is_file():
        candidates.append(AotInductorRuntime(package, facts.task))
    inputs = parity_inputs(facts, batches, seed)
    results = compare_runtimes(
        reference,
        candidates,
        inputs,
        facts.precision,
        task=facts.task,
        progress=lambda text, done: progress(text, done),
    )
    return tuple(results)


def engine_runtime(path: Path, engine: EngineFacts) -> Runtime:
    """The runtime of an engine as a manifest describes it.

    In a folder with a manifest, the files are verified before TensorRT reads them.
    """
    from vmamba_deploy.runtimes.tensorrt.flavour import likely_flavour
    from vmamba_deploy.runtimes.tensorrt.run import TensorRTRuntime

    flavour = engine.flavour or likely_flavour().name
    if not engine.built:
        return AbsentEngine(flavour, str(engine.reason))
    if engine.weights_stripped:
        return AbsentEngine(flavour, "its weights are stripped; refit it before running")
    if (path.parent / MANIFEST_NAME).exists():
        return TensorRTRuntime.from_folder(path.parent)
    return TensorRTRuntime(path, engine, plugin_library=path.with_name(TRT_LIBRARY_NAME))


def parity_inputs(facts: OnnxModel, batches: Sequence[int], seed: int = 0) -> list[InputSet]:
    """Batches in the file's own layout; where it leaves the size free, other sizes as well.

    Those are the smallest and the largest of the engine's profile, and one that is not square.
    """
    from vmamba_deploy.parity.inputs import build_inputs

    sizes = _other_sizes(facts)
    taken, raw = fitting(batches, facts), facts.takes_bytes()
    sets = build_inputs(taken, size=facts.image_size(), seed=seed, raw=raw)
    for height, width in sizes:
        photos, *_ = build_inputs(taken[:1], size=(height, width), seed=seed, raw=raw)
        sets.append(replace(photos, name=f"{photos.name}-{height}x{width}"))
    return sets


def fitting(batches: Sequence[int], facts: OnnxModel) -> tuple[int, ...]:
    """The batch sizes that the file takes: the asked ones, or its fixed one."""
    fixed = facts.inputs[0].shape[0]
    return (fixed,) if isinstance(fixed, int) else tuple(batches)


def network(facts: OnnxModel, loaded: LoadedModel, precision: PrecisionName) -> nn.Module:
    """The PyTorch module that takes what the file takes, in another precision if need be."""
    from vmamba_deploy.export import ExportOptions, deployable_module

    options = ExportOptions(
        precision=precision,
        image_size=facts.image_size(),
        preprocess=facts.takes_bytes(),
        task=facts.task.name,
    )
    module, _, _ = deployable_module(loaded, options)
    return module


def _other_sizes(facts: OnnxModel) -> list[tuple[int, int]]:
    if not facts.has_free_size():
        return []
    smallest, traced, largest = size_profile(facts)
    wanted = [smallest, (smallest[0], largest[1]), largest]
    return [size for size in dict.fromkeys(wanted) if size != traced]
