"""Run the reference and the candidates on the same inputs, with Polygraphy, and judge them."""

from __future__ import annotations

import contextlib
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from vmamba_deploy.errors import EnvironmentProblem, InputFileError, VmambaError
from vmamba_deploy.parity.inputs import InputSet
from vmamba_deploy.parity.metrics import compute_metrics, worst
from vmamba_deploy.parity.results import InputResult, RunResult
from vmamba_deploy.parity.thresholds import Thresholds, thresholds_for

if TYPE_CHECKING:
    from vmamba_deploy.runtimes.base import Runtime

Progress = Callable[[str, float], None]
"""Called with what is about to run and the fraction done, 0..1."""

_OUTPUT = "logits"


def compare_runtimes(
    reference: Runtime,
    candidates: Sequence[Runtime],
    inputs: Sequence[InputSet],
    precision: str,
    *,
    progress: Progress | None = None,
    verbose: bool = False,
) -> list[RunResult]:
    """Compare each candidate's logits with the reference's on every input set.

    A candidate that cannot run here, or turns out to lack something on this machine, is `skipped`
    with its reason. One that raises, gives a wrong shape, NaN or an error beyond its threshold is
    `failed`. The others are `passed`.

    Args:
        reference: PyTorch in fp32.
        candidates: their sessions are opened one after another.
        precision: of the candidates, `fp32`, `fp16` or `bf16`; chooses the thresholds.
        verbose: let Polygraphy print what it does.

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
    with _polygraphy_log(verbose):
        tell(f"{reference.name} (reference)", 0.0)
        expected = _run_reference(reference, inputs)
        results = []
        for index, candidate in enumerate(candidates, start=1):
            tell(candidate.name, index / steps)
            results.append(_judge(candidate, expected, inputs, precision))
    tell("compared", 1.0)
    return results


def _run_reference(reference: Runtime, inputs: Sequence[InputSet]) -> Any:
    import numpy as np

    from vmamba_deploy.parity.polygraphy_runner import RunFailed, run_all

    try:
        expected = run_all(reference, inputs, label="reference")
    except RunFailed as error:
        if isinstance(error.__cause__, VmambaError | MemoryError):
            raise error.__cause__ from error
        raise EnvironmentProblem(f"the reference {reference.name} cannot run: {error}") from error
    for iteration, one in zip(expected, inputs, strict=True):
        if not np.isfinite(iteration[_OUTPUT]).all():
            raise InputFileError(
                f"the reference {reference.name} gives NaN or infinity on {one.name}",
                hint="the weights are broken: no runtime can be compared with them",
            )
    return expected


def _judge(
    candidate: Runtime, expected: Any, inputs: Sequence[InputSet], precision: str
) -> RunResult:
    from vmamba_deploy.parity.polygraphy_runner import RunFailed, run_all

    limits = thresholds_for(candidate.name, precision)
    status = candidate.status()
    if not status.available:
        return RunResult(candidate.name, "skipped", status.reason, limits)
    try:
        got = run_all(candidate, inputs, label=candidate.name)
    except RunFailed as error:
        missing = isinstance(error.__cause__, EnvironmentProblem)
        return RunResult(candidate.name, "skipped" if missing else "failed", str(error), limits)
    judged = _compare(expected, got, inputs, limits)
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


def _compare(
    expected: Any, got: Any, inputs: Sequence[InputSet], limits: Thresholds
) -> list[InputResult]:
    """Let Polygraphy pair the iterations of the two runs and call our comparison on each."""
    from polygraphy.comparator import Comparator, RunResults

    sets = iter(inputs)

    def judge(result0: Any, result1: Any) -> OrderedDict[str, _Verdict]:
        one = next(sets)
        judged = _judge_set(one, result0[_OUTPUT], result1[_OUTPUT], limits, result1.runtime)
        return OrderedDict([(_OUTPUT, _Verdict(judged))])

    runs = RunResults([("reference", expected), ("candidate", got)])
    accuracy = Comparator.compare_accuracy(runs, compare_func=judge)
    pairs = accuracy[0]["reference", "candidate"]
    return [verdicts[_OUTPUT].result for verdicts in pairs]


class _Verdict:
    """What Polygraphy wants of a comparison: something that is true when the outputs match."""

    def __init__(self, result: InputResult) -> None:
        self.result = result

    def __bool__(self) -> bool:
        return self.result.passed


def _judge_set(
    one: InputSet, expected: Any, got: Any, limits: Thresholds, seconds: float | None
) -> InputResult:
    if one.flat:
        limits = limits.for_flat_images()
    if got.shape != expected.shape:
        reason = f"logits have shape {list(got.shape)}, expected {list(expected.shape)}"
        return InputResult(one.name, one.batch, False, reason, None, seconds, one.flat)
    metrics = compute_metrics(expected, got, tie_spread=limits.max_spread)
    reason = ", ".join(limits.violations(metrics))
    return InputResult(one.name, one.batch, not reason, reason, metrics, seconds, one.flat)


@contextlib.contextmanager
def _polygraphy_log(verbose: bool) -> Iterator[None]:
    import numpy as np
    from polygraphy.logger import G_LOGGER

    # Polygraphy takes statistics of what it compares, NaN included, and NumPy would warn.
    with (
        np.errstate(invalid="ignore"),
        G_LOGGER.verbosity(G_LOGGER.VERBOSE if verbose else G_LOGGER.CRITICAL),
    ):
        yield
