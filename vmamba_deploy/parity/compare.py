"""Run the reference and the candidates on the same inputs, and judge them."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from vmamba_deploy.errors import EnvironmentProblem, InputFileError, VmambaError
from vmamba_deploy.parity.inputs import InputSet
from vmamba_deploy.parity.metrics import compute_metrics, worst
from vmamba_deploy.parity.results import InputResult, RunResult
from vmamba_deploy.precisions import Precision, precision_named

if TYPE_CHECKING:
    from vmamba_deploy.runtimes.base import Runtime, Session

Progress = Callable[[str, float], None]
"""Called with what is about to run and the fraction done, 0..1."""


@dataclass(frozen=True)
class _Answer:
    """What a runtime made of one input set, and how long it took."""

    logits: npt.NDArray[Any]
    seconds: float


class _RunFailed(Exception):  # noqa: N818 - an outcome that is recorded, not an error to a user
    """A runtime could not load or run the model; the message says why in one line."""


def compare_runtimes(
    reference: Runtime,
    candidates: Sequence[Runtime],
    inputs: Sequence[InputSet],
    precision: str,
    *,
    progress: Progress | None = None,
) -> list[RunResult]:
    """Compare each candidate's logits with the reference's on every input set.

    A candidate that cannot run here, or turns out to lack something on this machine, is `skipped`
    with its reason. One that raises, gives a wrong shape, NaN or an error beyond its threshold is
    `failed`. The others are `passed`.

    Args:
        reference: PyTorch in fp32.
        candidates: their sessions are opened one after another.
        precision: of the candidates, `fp32`, `fp16` or `bf16`; chooses the thresholds.

    Raises:
        EnvironmentProblem: the reference cannot run here; its own VmambaErrors pass as they are.
        InputFileError: its logits are not finite.
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
        results.append(_judge(candidate, expected, inputs, precision_named(precision)))
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
        if not np.isfinite(answer.logits).all():
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
        logits = session(one.pixel_values)["logits"]
    except Exception as error:
        raise _RunFailed(f"running batch {one.batch} raised {_one_line(error)}") from error
    return _Answer(logits, time.perf_counter() - start)


def _one_line(error: Exception) -> str:
    text = " ".join(str(error).split())
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


def _judge(
    candidate: Runtime,
    expected: Sequence[_Answer],
    inputs: Sequence[InputSet],
    precision: Precision,
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
    judged = [
        _judge_set(one, wanted.logits, answer, precision)
        for one, wanted, answer in zip(inputs, expected, got, strict=True)
    ]
    measured = [one.metrics for one in judged if one.metrics is not None and not one.flat]
    wrong = [f"{one.name}: {one.reason}" for one in judged if not one.passed]
    return RunResult(
        candidate.name,
        "failed" if wrong else "passed",
        "; ".join(wrong),
        limits,
        tuple(judged),
        worst(measured) if measured else None,
    )


def _judge_set(
    one: InputSet, expected: npt.NDArray[Any], answer: _Answer, precision: Precision
) -> InputResult:
    got, seconds = answer.logits, answer.seconds
    limits = precision.flat_thresholds if one.flat else precision.thresholds
    if got.shape != expected.shape:
        reason = f"logits have shape {list(got.shape)}, expected {list(expected.shape)}"
        return InputResult(one.name, one.batch, False, reason, None, seconds, one.flat)
    metrics = compute_metrics(expected, got, tie_spread=limits.max_spread)
    reason = ", ".join(metrics.violations(limits))
    return InputResult(one.name, one.batch, not reason, reason, metrics, seconds, one.flat)
