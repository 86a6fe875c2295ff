"""The proof of a run: the files, read back from disk, against the PyTorch network in fp32."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vmamba_deploy.pipeline.onnx_facts import OnnxFacts, Precision
from vmamba_deploy.runtimes.base import RuntimeStatus

if TYPE_CHECKING:
    import numpy.typing as npt

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
    facts: OnnxFacts,
    loaded: LoadedModel,
    *,
    engine: dict[str, Any],
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
        ParityError: the reference itself gives no finite logits.
    """
    from vmamba_deploy.parity.compare import compare_runtimes
    from vmamba_deploy.parity.inputs import build_inputs
    from vmamba_deploy.runtimes.onnxruntime import OnnxRuntimeBody, OnnxRuntimeLibrary

    reference = _pytorch(facts, loaded, "fp32")
    candidates: list[Runtime] = [
        _pytorch(facts, loaded, facts.precision),
        OnnxRuntimeBody(facts.path),
        OnnxRuntimeLibrary(facts.path),
        engine_runtime(facts.path.with_suffix(".engine"), engine),
    ]
    inputs = build_inputs(fitting(batches, facts), size=facts.image_size(), seed=seed)
    if facts.takes_bytes():
        inputs = [as_bytes(one) for one in inputs]
    results = compare_runtimes(
        reference,
        candidates,
        inputs,
        facts.precision,
        progress=lambda text, done: progress(text, done),
    )
    return tuple(results)


def engine_runtime(path: Path, engine: dict[str, Any]) -> Runtime:
    """The runtime of an engine as a manifest describes it."""
    if not engine["built"]:
        return AbsentEngine("tensorrt", str(engine["reason"]))
    from vmamba_deploy.runtimes.tensorrt.flavour import FLAVOURS
    from vmamba_deploy.runtimes.tensorrt.run import TensorRTRuntime

    if engine["weights_stripped"]:
        return AbsentEngine(engine["flavour"], "its weights are stripped; refit it before running")
    embedded = engine["plugin"]["delivery"] == "embedded"
    targets = (capability.split(".") for capability in engine["compute_capabilities"])
    return TensorRTRuntime(
        path,
        FLAVOURS[engine["flavour"]],
        plugin_library=None if embedded else path.parent / "libvmamba_trt.so",
        built_with=engine["version"],
        version_compatible=engine["version_compatible"],
        target_sms=tuple(10 * int(major) + int(minor) for major, minor in targets),
        plugin_embedded=embedded,
    )


def fitting(batches: Sequence[int], facts: OnnxFacts) -> tuple[int, ...]:
    """The batch sizes that the file takes: the asked ones, or its fixed one."""
    fixed = facts.inputs[0].shape[0]
    return (fixed,) if isinstance(fixed, int) else tuple(batches)


def as_bytes(one: InputSet) -> InputSet:
    """The same images as uint8 [B,H,W,3], for a graph that normalises them itself."""
    import numpy as np

    from vmamba_deploy.models import IMAGENET_PREPROCESSING

    std = np.asarray(IMAGENET_PREPROCESSING.std, dtype=np.float32)
    mean = np.asarray(IMAGENET_PREPROCESSING.mean, dtype=np.float32)
    channels_last = one.pixel_values.transpose(0, 2, 3, 1)
    rgb = channels_last * std + mean
    pixels: npt.NDArray[Any] = np.clip(np.rint(rgb * 255), 0, 255).astype(np.uint8)
    return replace(one, pixel_values=pixels)


def _pytorch(facts: OnnxFacts, loaded: LoadedModel, precision: Precision) -> Runtime:
    from vmamba_deploy.export import ExportOptions, deployable_module
    from vmamba_deploy.runtimes.pytorch import PyTorchRuntime

    options = ExportOptions(
        precision=precision, image_size=facts.image_size(), preprocess=facts.takes_bytes()
    )
    module, _, _ = deployable_module(loaded, options)
    return PyTorchRuntime(module)
