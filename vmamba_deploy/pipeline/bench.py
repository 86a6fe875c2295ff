"""Latencies of the runtimes of one ONNX file, measured interleaved so that noise hits all alike."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, fields
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from vmamba_deploy.errors import BuildError, EnvironmentProblem, ResourceError, UsageError
from vmamba_deploy.exporting.onnx_model import OnnxModel
from vmamba_deploy.pipeline.parity import load_reference, network
from vmamba_deploy.pipeline.source import engine_of, has_manifest, onnx_file_of
from vmamba_deploy.precisions import precision_named
from vmamba_deploy.runtimes.base import Concurrent, ModelFiles, check_batches
from vmamba_deploy.runtimes.profiles import Profile, Profiling, profile_of
from vmamba_deploy.runtimes.pytorch import PYTORCH
from vmamba_deploy.runtimes.registry import RUNTIMES, runtime_names, why_absent
from vmamba_deploy.tasks.custom import BATCH
from vmamba_deploy.tasks.inputs import completed_inputs, random_input
from vmamba_deploy.tasks.task import PIXEL_VALUES, sized
from vmamba_deploy.timing.latencies import Latency
from vmamba_deploy.timing.rounds import Contender, Pace, contender, interleave

if TYPE_CHECKING:
    import numpy.typing as npt
    from torch import nn

    from vmamba_deploy.runtimes.base import Runtime, Session
    from vmamba_deploy.user_network.request import Builder

    Inputs = Mapping[str, npt.NDArray[np.generic]]

USUAL_REPEATS = 10
_PROFILED_CALLS = 3
"""A scan in standard ops is thousands of nodes, and ONNX Runtime notes each run of each."""


@dataclass(frozen=True)
class BenchPlan:
    """What is measured, and how long.

    Attributes:
        batches: sizes, ascending.
        runtimes: names of `RUNTIMES`, or what an application calls them; empty for all.
        repeats: at least so many rounds, in each of which every runtime has a turn; None: as many
            as `duration` takes, without one `USUAL_REPEATS`.
        duration: seconds that each runtime is measured at the least at each batch size.
        warmup: calls of each stream before the first round, at least one.
        streams: sessions of a runtime that are called side by side.
        threads: of each runtime; 0 leaves them to it.
        weights: for PyTorch, when they are no longer where the file says.
        builder: of a user's network; its file is imported and run.
        profile: see where the time goes, in calls of their own.
    """

    batches: tuple[int, ...] = (1,)
    runtimes: tuple[str, ...] = ()
    repeats: int | None = None
    duration: float | None = None
    warmup: int = 2
    streams: int = 1
    threads: int = 0
    weights: str | None = None
    builder: Builder | None = None
    profile: bool = False

    @property
    def pace(self) -> Pace:
        """Rounds and seconds, of which each runtime gets both."""
        rounds = self.repeats or (USUAL_REPEATS if self.duration is None else 1)
        return Pace(rounds, self.duration or 0.0)


@dataclass
class BenchOutcome:
    """What was measured.

    Attributes:
        facts: of the ONNX file.
        latencies: of each batch size, in the order of `RUNTIMES`.
        skipped: the reason of each runtime that was left out, some of them at one batch size.
        profiles: likewise of each batch size, where they were asked for.
        unprofiled: the reason of each runtime without one.
    """

    facts: OnnxModel
    latencies: list[Latency] = field(default_factory=list)
    skipped: dict[str, str] = field(default_factory=dict)
    profiles: list[Profile] = field(default_factory=list)
    unprofiled: dict[str, str] = field(default_factory=dict)

    def as_json(self) -> dict[str, Any]:
        """The fields of the `result` line."""
        return {each.name: getattr(self, each.name) for each in fields(self)[1:]}


def run_bench(
    path: Path,
    plan: BenchPlan | None = None,
    progress: Callable[[str, float | None], None] = lambda message, fraction: None,
) -> BenchOutcome:
    """Measure the runtimes of an ONNX file, or of an artefact folder, which is verified first.

    PyTorch has no quantized layers: of such a file it is left out, and the function body in stock
    ONNX Runtime is the yardstick of the speed-ups. Engines are those of a folder.

    Args:
        path: what is measured.
        plan: of what and how long; None measures all that there is at batch 1.
        progress: told the running batch and the fraction done.

    Raises:
        UsageError: bad batches, or no such runtime.
        InputFileError: not an ONNX file of ours, or its weights are gone.
        IntegrityError: the folder is not what its manifest says.
        EnvironmentProblem: nothing of what was asked for can run here.
    """
    plan = plan or BenchPlan()
    check_batches(plan.batches)
    names = runtime_names(plan.runtimes)
    facts = OnnxModel.read(onnx_file_of(path))
    outcome = BenchOutcome(facts)
    files = ModelFiles(
        facts,
        _reference(facts, plan, names, outcome.skipped),
        engine=engine_of(path) if has_manifest(path) else None,
        threads=plan.threads,
        cuda_graphs=True,
    )
    runtimes = _available(files, names, bool(plan.runtimes), outcome.skipped)
    with _open_sessions(runtimes, plan.streams, outcome.skipped) as sessions:
        for done, batch in enumerate(plan.batches):

            def tell(fraction: float, done: int = done, batch: int = batch) -> None:
                progress(f"batch {batch}", (done + fraction) / len(plan.batches))

            tell(0.0)
            inputs = random_inputs(facts, batch)
            with _warm_contenders(sessions, inputs, batch, plan, outcome.skipped) as contenders:
                interleave([*contenders.values()], plan.pace, tell)
                outcome.latencies += _latencies(contenders, batch, plan.streams)
    if not outcome.latencies:
        reasons = "; ".join(f"{name}: {reason}" for name, reason in outcome.skipped.items())
        raise EnvironmentProblem(
            f"no runtime could be measured: {reasons}",
            hint="`vmamba-deploy doctor` says what is installed and what is missing",
        )
    if plan.profile:
        _profile({runtime.name: runtime for runtime in runtimes}, outcome, progress)
    return outcome


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


def _reference(
    facts: OnnxModel, plan: BenchPlan, names: Sequence[str], skipped: dict[str, str]
) -> nn.Module | None:
    """PyTorch's network; None where it is not asked for, or cannot be what the file is."""
    if PYTORCH.name not in names:
        return None
    if precision_named(facts.precision).quantized:
        skipped[PYTORCH.name] = (
            f"it has no layers in {facts.precision}; speed-ups are over the first row"
        )
        return None
    import torch

    if plan.threads:
        torch.set_num_threads(plan.threads)
    loaded = load_reference(facts, plan.weights, builder=plan.builder)
    return network(facts, loaded, facts.base)


def _available(
    files: ModelFiles, names: Sequence[str], named: bool, skipped: dict[str, str]
) -> list[Runtime]:
    """Those of the runtimes that can run here; `named` if a user named them one by one."""
    found = []
    for name in names:
        runtime = RUNTIMES[name].on_files(files)
        if runtime is None:
            if named:
                skipped.setdefault(name, why_absent(name))
            continue
        status = runtime.status()
        if status.available:
            found.append(runtime)
        else:
            skipped[name] = status.reason
    return found


@contextmanager
def _open_sessions(
    runtimes: Sequence[Runtime], streams: int, skipped: dict[str, str]
) -> Iterator[dict[str, Sequence[Session]]]:
    """The sessions of each runtime, one a stream."""
    with ExitStack() as stack:
        sessions: dict[str, Sequence[Session]] = {}
        for runtime in runtimes:
            try:
                opened = _streams_of(runtime, streams)
            except EnvironmentProblem as problem:
                skipped[runtime.name] = problem.message
                continue
            for session in opened:
                stack.callback(session.close)
            sessions[runtime.name] = opened
        yield sessions


def _streams_of(runtime: Runtime, count: int) -> Sequence[Session]:
    if count == 1:
        return [runtime.open()]
    if not isinstance(runtime, Concurrent):
        raise EnvironmentProblem(f"it takes one call at a time, not {count} streams")
    return runtime.open_streams(count)


@contextmanager
def _warm_contenders(
    sessions: Mapping[str, Sequence[Session]],
    inputs: Inputs,
    batch: int,
    plan: BenchPlan,
    skipped: dict[str, str],
) -> Iterator[dict[str, Contender]]:
    """What is timed at one batch size: every runtime that takes it, called a few times."""
    (_, first), *rest = inputs.items()
    others = dict(rest)
    with ExitStack() as stack:
        warm = {}
        for name, streams in sessions.items():
            calls = [partial(session, first, **others) for session in streams]
            one = stack.enter_context(contender(calls))
            try:
                one.warm_up(max(plan.warmup, 1))
            except (ResourceError, UsageError) as problem:
                skipped[f"{name} at batch {batch}"] = problem.message
                continue
            warm[name] = one
        yield warm


def _latencies(contenders: Mapping[str, Contender], batch: int, streams: int) -> list[Latency]:
    """Of contenders after their rounds; the first is the yardstick."""
    measured = [(name, one, one.latencies.statistics()) for name, one in contenders.items()]
    rates = [batch * times.calls / one.seconds for _, one, times in measured]
    return [
        Latency(name, batch, streams, times, rate, rate / rates[0])
        for (name, _, times), rate in zip(measured, rates, strict=True)
    ]


def _profile(
    runtimes: Mapping[str, Runtime],
    outcome: BenchOutcome,
    progress: Callable[[str, float | None], None],
) -> None:
    """Profile what was measured, now that its sessions are closed."""
    for row in outcome.latencies:
        runtime = runtimes[row.runtime]
        if not isinstance(runtime, Profiling):
            outcome.unprofiled[row.runtime] = "it has no times of its nodes"
            continue
        progress(f"profile of {row.runtime} at batch {row.batch}", None)
        (_, first), *rest = random_inputs(outcome.facts, row.batch).items()
        try:
            nodes = runtime.profile(first, dict(rest), _PROFILED_CALLS)
        except (BuildError, ResourceError) as problem:
            outcome.unprofiled[f"{row.runtime} at batch {row.batch}"] = problem.message
            continue
        outcome.profiles.append(profile_of(row.runtime, row.batch, _PROFILED_CALLS, nodes))
