"""Run the reference and the candidates on the same inputs, and judge them."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from vmamba_deploy.errors import EnvironmentProblem, InputFileError, VmambaError
from vmamba_deploy.parity.inputs import InputSet
from vmamba_deploy.parity.kinds import KINDS
from vmamba_deploy.parity.metrics import Metrics, unit_of, worst
from vmamba_deploy.parity.results import InputResult, OutputResult, RunResult
from vmamba_deploy.precisions import Precision, precision_named
from vmamba_deploy.tasks import CLASSIFICATION, Task

if TYPE_CHECKING:
    from vmamba_deploy.runtimes.base import Outputs, Runtime, Session

Progress = Callable[[str, float], None]
"""Called with what is about to run and the fraction done, 0..1."""


@dataclass(frozen=True)
class _Answer:
    """What a runtime made of one input set, and how long it took."""

    outputs: Outputs
    seconds: float


class _RunFailed(Exception):  # noqa: N818 - an outcome that is recorded, not an error to a user
    """A runtime could not load or run the model; the message says why in one line."""


def compare_runtimes(
    reference: Runtime,
    candidates: Sequence[Runtime],
    inputs: Sequence[InputSet],
    precision: str,
    *,
    task: Task = CLASSIFICATION,
    progress: Progress | None = None,
) -> list[RunResult]:
    """Compare each candidate's outputs with the reference's on every input set.

    A candidate that cannot run here, or turns out to lack something on this machine, is `skipped`
    with its reason. One that raises, gives a wrong shape, NaN or an error beyond its threshold is
    `failed`. The others are `passed`.

    Args:
        reference: PyTorch in fp32.
        candidates: their sessions are opened one after another.
        precision: of the candidates, `fp32`, `fp16` or `bf16`; chooses the thresholds.
        task: says what the outputs are.

    Raises:
        EnvironmentProblem: the reference cannot run here; its own VmambaErrors pass as they are.
        InputFileError: its outputs are not finite.
        MemoryError: it needs more than there is.
    """
    if not inputs:
        raise ValueError("nothing to compare: no inputs")
    tell = progress or (lambda _message, _fraction: None)
    status = reference.status()
    if not status.available:
        raise EnvironmentProblem(f"the reference {reference.name} cannot run: {status.reason}")
    steps = 1 + len(candidates)
    tell(f"{reference.name} (reference)", 0.0)
    expected = _run_reference(reference, inputs)
    results = []
    for index, candidate in enumerate(candidates, start=1):
        tell(candidate.name, index / steps)
        results.append(_judge(candidate, expected, inputs, precision_named(precision), task))
    tell("compared", 1.0)
    return results


def _run_reference(reference: Runtime, inputs: Sequence[InputSet]) -> list[_Answer]:
    try:
        expected = _run_all(reference, inputs)
    except _RunFailed as error:
        if isinstance(error.__cause__, VmambaError | MemoryError):
            raise error.__cause__ from error
        raise EnvironmentProblem(f"the reference {reference.name} cannot run: {error}") from error
    for answer, one in zip(expected, inputs, strict=True):
        if not all(np.isfinite(array).all() for array in answer.outputs.values()):
            raise InputFileError(
                f"the reference {reference.name} gives NaN or infinity on {one.name}",
                hint="the weights are broken: no runtime can be compared with them",
            )
    return expected


def _run_all(runtime: Runtime, inputs: Sequence[InputSet]) -> list[_Answer]:
    """Run a runtime on every set, in one session.

    Raises:
        _RunFailed: the runtime raised, whatever it raised.
    """
    try:
        session = runtime.open()
    except Exception as error:
        raise _RunFailed(f"cannot load the model: {_one_line(error)}") from error
    with closing(session):
        return [_run(session, one) for one in inputs]


def _run(session: Session, one: InputSet) -> _Answer:
    start = time.perf_counter()
    try:
        outputs = session(one.pixel_values)
    except Exception as error:
        raise _RunFailed(f"running batch {one.batch} raised {_one_line(error)}") from error
    return _Answer(outputs, time.perf_counter() - start)


def _one_line(error: Exception) -> str:
    text = " ".join(str(error).split())
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


def _judge(
    candidate: Runtime,
    expected: Sequence[_Answer],
    inputs: Sequence[InputSet],
    precision: Precision,
    task: Task,
) -> RunResult:
    limits = precision.thresholds
    status = candidate.status()
    if not status.available:
        return RunResult(candidate.name, "skipped", status.reason, limits)
    try:
        got = _run_all(candidate, inputs)
    except _RunFailed as error:
        missing = isinstance(error.__cause__, EnvironmentProblem)
        return RunResult(candidate.name, "skipped" if missing else "failed", str(error), limits)
    units = {
        output.name: unit_of([answer.outputs[output.name] for answer in expected])
        for output in task.outputs
    }
    sets = [
        _judge_set(one, wanted.outputs, answer, units, precision, task)
        for one, wanted, answer in zip(inputs, expected, got, strict=True)
    ]
    judged = [result for result, _ in sets]
    wrong = [f"{one.name}: {one.reason}" for one in judged if not one.passed]
    measured = [figures for result, figures in sets if figures and not result.flat]
    outputs = tuple(
        OutputResult(one.name, one.kind, worst([figures[one.name] for figures in measured]))
        for one in task.outputs
        if measured
    )
    furthest = _furthest({output.name: output.metrics for output in outputs})
    return RunResult(
        candidate.name,
        "failed" if wrong else "passed",
        "; ".join(wrong),
        limits,
        tuple(judged),
        *furthest,
        outputs,
    )


def _judge_set(
    one: InputSet,
    expected: Outputs,
    answer: _Answer,
    units: Mapping[str, float],
    precision: Precision,
    task: Task,
) -> tuple[InputResult, dict[str, Metrics]]:
    """The result, and the figures of each output; none where an output has a wrong shape."""
    limits = precision.flat_thresholds if one.flat else precision.thresholds
    reasons, figures = [], {}
    for output in task.outputs:
        got, wanted = answer.outputs.get(output.name), expected[output.name]
        if got is None:
            wrong = [f"there is no output {output.name}"]
        elif got.shape != wanted.shape:
            wrong = [f"{output.name} have shape {list(got.shape)}, expected {list(wanted.shape)}"]
        else:
            figures[output.name] = KINDS[output.kind](wanted, got, limits, units[output.name])
            wrong = figures[output.name].violations(limits)
            if len(task.outputs) > 1:
                wrong = [f"{output.name}: {text}" for text in wrong]
        reasons += wrong
    if len(figures) < len(task.outputs):
        figures = {}
    metrics, furthest = _furthest(figures)
    result = InputResult(
        one.name,
        one.batch,
        not reasons,
        ", ".join(reasons),
        metrics,
        answer.seconds,
        one.flat,
        furthest,
    )
    return result, figures


def _furthest(figures: Mapping[str, Metrics]) -> tuple[Metrics | None, str | None]:
    """The figures of the output with the largest NMSE, NaN above all, and its name."""
    if not figures:
        return None, None
    name = max(figures, key=lambda name: (math.isnan(figures[name].nmse), figures[name].nmse))
    return figures[name], name
