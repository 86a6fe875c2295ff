"""Latencies of the runtimes of one ONNX file, measured interleaved so that noise hits all alike."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from vmamba_deploy.errors import EnvironmentProblem, UsageError
from vmamba_deploy.exporting.onnx_model import OnnxModel
from vmamba_deploy.pipeline.parity import load_reference, network
from vmamba_deploy.precisions import precision_named
from vmamba_deploy.runtimes.base import ModelFiles, check_batches
from vmamba_deploy.runtimes.pytorch import PYTORCH
from vmamba_deploy.runtimes.registry import runtimes_on
from vmamba_deploy.tasks.custom import BATCH
from vmamba_deploy.tasks.inputs import completed_inputs, random_input
from vmamba_deploy.tasks.task import PIXEL_VALUES, sized

if TYPE_CHECKING:
    import numpy.typing as npt

    from vmamba_deploy.runtimes.base import Session
    from vmamba_deploy.user_network.request import Builder


Clock = Callable[[], float]
_SETTLE_SECONDS = 0.05


@dataclass(frozen=True)
class Latency:
    """Times of one runtime at one batch size.

    Attributes:
        ratio: median relative to the first runtime's.
    """

    runtime: str
    batch: int
    median_ms: float
    fastest_ms: float
    images_per_second: float
    ratio: float


def run_bench(
    model: Path,
    *,
    batches: Sequence[int] = (1,),
    repeats: int = 10,
    threads: int = 0,
    weights: str | None = None,
    builder: Builder | None = None,
    progress: Callable[[str, float | None], None] = lambda message, fraction: None,
) -> tuple[list[Latency], dict[str, str]]:
    """Measure PyTorch and ONNX Runtime, with the function body and with our library.

    Where they are, also ONNX Runtime's CUDA provider, and an AOTInductor package beside the file.
    PyTorch has no quantized layers: of such a file it is left out, and the function body in stock
    ONNX Runtime is the yardstick of the ratios.

    Args:
        model: ONNX file.
        repeats: rounds; each runs every runtime once, after one warm-up round.
        threads: of each runtime; 0 leaves it to them.
        weights: for PyTorch, when they are no longer where the file says.
        builder: of a user's network; its file is imported and run.
        progress: told the running batch and the fraction done.

    Returns:
        The latencies, and the reason of each runtime that was left out.

    Raises:
        UsageError: bad batches, or fewer than one repeat.
        InputFileError: not an ONNX file of ours, or its weights are gone.
    """
    check_batches(tuple(batches))
    if repeats < 1:
        raise UsageError(f"at least one repeat is needed, got {repeats}")
    facts = OnnxModel.read(model)
    skipped: dict[str, str] = {}
    latencies: list[Latency] = []
    with _open_sessions(facts, weights, builder, threads, skipped) as sessions:
        for done, batch in enumerate(batches):
            progress(f"batch {batch}", done / len(batches))
            inputs = random_inputs(facts, batch)
            latencies += interleaved(sessions, inputs, repeats)
    return latencies, skipped


def interleaved(
    sessions: dict[str, Session],
    inputs: Mapping[str, npt.NDArray[np.generic]],
    repeats: int,
    clock: Clock = time.perf_counter,
) -> list[Latency]:
    """Time every session once per round; the first named is the yardstick of the ratios.

    The inputs are in the network's order, and the length of the first one is the batch.

    Thread pools spin for some milliseconds after a call and would take the cores of the next
    session. So each turn begins with a pause, and with an untimed call that wakes its own threads.
    """
    times: dict[str, list[float]] = {name: [] for name in sessions}
    (_, first), *rest = inputs.items()
    others = dict(rest)
    for repeat in range(-1, repeats):
        for name, session in sessions.items():
            time.sleep(_SETTLE_SECONDS)
            session(first, **others)
            start = clock()
            session(first, **others)
            if repeat >= 0:
                times[name].append((clock() - start) * 1e3)
    batch = len(first)
    yardstick = statistics.median(next(iter(times.values())))
    return [
        Latency(
            runtime=name,
            batch=batch,
            median_ms=median,
            fastest_ms=min(measured),
            images_per_second=batch / median * 1e3,
            ratio=median / yardstick,
        )
        for name, measured in times.items()
        for median in [statistics.median(measured)]
    ]


def random_inputs(facts: OnnxModel, batch: int) -> dict[str, npt.NDArray[np.generic]]:
    """What a session takes: random pixels in the file's own layout, and the other inputs.

    The pixels are float32 [B,C,H,W], or uint8 [B,H,W,C]; pictures are whole maps.

    Raises:
        UsageError: the file has another, fixed batch size.
    """

    fixed = facts.inputs[0].shape[0]
    if isinstance(fixed, int) and fixed != batch:
        raise UsageError(f"{facts.path} takes batches of {fixed} only, got {batch}")
    generator = np.random.default_rng(batch)
    task = facts.task
    if task.first is not None:
        axes = {**facts.interface.axes, BATCH: batch}
        return {
            one.name: random_input(one, sized(one.shape, axes), generator)
            for one in (task.first, *task.inputs)
        }
    channels, (height, width) = facts.channels(), facts.image_size()
    pixels: npt.NDArray[np.generic]
    if facts.takes_bytes():
        pixels = generator.integers(0, 256, (batch, height, width, channels), dtype=np.uint8)
    else:
        pixels = generator.standard_normal((batch, channels, height, width), dtype=np.float32)
    others = completed_inputs(facts.task.inputs, {}, batch=batch, size=(height, width))
    return {PIXEL_VALUES: pixels, **others}


@contextmanager
def _open_sessions(
    facts: OnnxModel,
    weights: str | None,
    builder: Builder | None,
    threads: int,
    skipped: dict[str, str],
) -> Iterator[dict[str, Session]]:
    import torch

    if threads:
        torch.set_num_threads(threads)
    module = network(facts, load_reference(facts, weights, builder=builder), facts.base)
    files = ModelFiles(facts, module, threads=threads, cuda_graphs=True)
    if precision_named(facts.precision).quantized:
        skipped[PYTORCH.name] = (
            f"it has no layers in {facts.precision}; ratios are to the first row"
        )
    with ExitStack() as stack:
        sessions: dict[str, Session] = {}
        for runtime in runtimes_on(files):
            status = runtime.status()
            if not status.available:
                skipped[runtime.name] = status.reason
                continue
            try:
                session = runtime.open()
            except EnvironmentProblem as problem:
                skipped[runtime.name] = problem.message
                continue
            stack.callback(session.close)
            sessions[runtime.name] = session
        yield sessions
