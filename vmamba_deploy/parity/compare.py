"""Run the reference and the candidates on the same inputs, and judge them."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from vmamba_deploy.errors import EnvironmentProblem, InputFileError, UsageError, VmambaError
from vmamba_deploy.parity.elements import ElementCheck, Tolerance
from vmamba_deploy.parity.figures import Answer, Figures, worst
from vmamba_deploy.parity.inputs import InputSet, shaken
from vmamba_deploy.parity.kinds import KINDS, answers_of, shakes_of
from vmamba_deploy.parity.metrics import unit_of
from vmamba_deploy.parity.results import InputResult, OutputResult, RunResult
from vmamba_deploy.parity.witness import Compared, Witness
from vmamba_deploy.precisions import PRECISIONS, Precision, precision_named
from vmamba_deploy.tasks import CLASSIFICATION, Task

if TYPE_CHECKING:
    from vmamba_deploy.runtimes.base import Outputs, Runtime, Session

Progress = Callable[[str, float], None]
"""Called with what is about to run and the fraction done, 0..1."""


@dataclass(frozen=True)
class _Ran:
    """What a runtime made of one input set, and how long it took.

    `shaken` is what the reference made of the same images, shaken, where a kind asks for it.
    """

    outputs: Outputs
    seconds: float
    shaken: tuple[Outputs, ...] = ()


class _RunFailed(Exception):  # noqa: N818 - an outcome that is recorded, not an error to a user
    """A runtime could not load or run the model; the message says why in one line.

    Attributes:
        given: what it could not be run on; None where it could not be loaded.
    """

    def __init__(self, message: str, given: InputSet | None = None) -> None:
        super().__init__(message)
        self.given = given


def compare_runtimes(
    reference: Runtime,
    candidates: Sequence[Runtime],
    inputs: Sequence[InputSet],
    precision: str,
    *,
    task: Task = CLASSIFICATION,
    progress: Progress | None = None,
    witness: Witness | None = None,
    tolerance: Tolerance | None = None,
) -> list[RunResult]:
    """Compare each candidate's outputs with the reference's on every input set.

    A candidate that cannot run here, or turns out to lack something on this machine, is `skipped`
    with its reason. One that raises, gives a wrong shape, NaN or an error beyond its threshold is
    `failed`. The others are `passed`.

    Args:
        reference: PyTorch in fp32.
        candidates: their sessions are opened one after another.
        precision: of the candidates, `fp32`, `fp16` or `bf16`; chooses the thresholds.
        task: says what the outputs are; the reference may give its optional ones as well.
        progress: told what is about to run.
        witness: told of every set that a candidate gave all outputs for, in their right shapes.
        tolerance: of each element, beside the thresholds.

    Raises:
        EnvironmentProblem: the reference cannot run here; its own VmambaErrors pass as they are.
        UsageError: the precision has no limits for the task's outputs.
        InputFileError: its outputs are not finite, or it is a network of one's own that runs on the
            first inputs and not on others.
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
    kind = precision_named(precision)
    expected = _run_reference(reference, inputs, kind, task)
    results = []
    for index, candidate in enumerate(candidates, start=1):
        tell(candidate.name, index / steps)
        judge = _Judge(kind, task, expected, tolerance)
        results.append(_judge(candidate, expected, inputs, judge, witness))
    tell("compared", 1.0)
    return results


def check_judged(task: Task, precision: Precision) -> None:
    """Refuse a precision that has no limits for the outputs of a task.

    Raises:
        UsageError: it has none.
    """
    if shakes_of(task) and precision.thresholds.detections is None:
        able = [one.name for one in PRECISIONS.values() if one.thresholds.detections is not None]
        raise UsageError(
            f"{task.name} cannot be proven in {precision.name}: what a detector decides changes by "
            "more than any limit would bound",
            hint=f"take {' or '.join(able)}; --no-parity writes the files unproven",
        )


def _run_reference(
    reference: Runtime, inputs: Sequence[InputSet], precision: Precision, task: Task
) -> list[_Ran]:
    check_judged(task, precision)
    shakes = shakes_of(task)
    limits = precision.thresholds.detections
    amount = limits.shake if limits is not None else 0.0
    try:
        expected = _run_all(
            reference, inputs, lambda one: shaken(one, amount, shakes) if shakes else []
        )
    except _RunFailed as error:
        if isinstance(error.__cause__, VmambaError | MemoryError):
            raise error.__cause__ from error
        ran_as_traced = error.given is not None and error.given is not inputs[0]
        if task.first is not None and ran_as_traced:
            raise _does_not_take(task, error) from error
        raise EnvironmentProblem(f"the reference {reference.name} cannot run: {error}") from error
    for answer, one in zip(expected, inputs, strict=True):
        if not all(np.isfinite(array).all() for array in answer.outputs.values()):
            raise InputFileError(
                f"the reference {reference.name} gives NaN or infinity on {one.name}",
                hint="the weights are broken: no runtime can be compared with them",
            )
    return expected


def _run_all(
    runtime: Runtime,
    inputs: Sequence[InputSet],
    shake: Callable[[InputSet], Sequence[InputSet]] = lambda _one: (),
) -> list[_Ran]:
    """Run a runtime on every set, and on what `shake` makes of it, in one session.

    Raises:
        _RunFailed: the runtime raised, whatever it raised.
    """
    try:
        session = runtime.open()
    except Exception as error:
        raise _RunFailed(f"cannot load the model: {_one_line(error)}") from error
    with closing(session):
        return [
            replace(
                _run(session, one),
                shaken=tuple(_run(session, again).outputs for again in shake(one)),
            )
            for one in inputs
        ]


def _run(session: Session, one: InputSet) -> _Ran:
    start = time.perf_counter()
    try:
        outputs = session(one.pixel_values, **one.others)
    except Exception as error:
        raise _RunFailed(f"running batch {one.batch} raised {_one_line(error)}", one) from error
    return _Ran(outputs, time.perf_counter() - start)


def _does_not_take(task: Task, failed: _RunFailed) -> InputFileError:
    """What to tell of a network of one's own that does not run on sizes that --dynamic frees."""
    assert failed.given is not None
    arrays = {task.input_names[0]: failed.given.pixel_values, **failed.given.others}
    sizes = ", ".join(f"{name} {list(array.shape)}" for name, array in arrays.items())
    return InputFileError(
        f"the network does not run on {sizes}: {_one_line(failed.__cause__ or failed)}",
        hint="axes that are always as long as each other have one name: --dynamic a=2:h,3:w "
        "--dynamic b=2:h,3:w; leave out of it what may not change",
    )


def _one_line(error: BaseException) -> str:
    text = " ".join(str(error).split())
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


def _judge(
    candidate: Runtime,
    expected: Sequence[_Ran],
    inputs: Sequence[InputSet],
    judge: _Judge,
    witness: Witness | None,
) -> RunResult:
    limits = judge.limits
    status = candidate.status()
    if not status.available:
        return RunResult(candidate.name, "skipped", status.reason, limits)
    try:
        got = _run_all(candidate, inputs)
    except _RunFailed as error:
        missing = isinstance(error.__cause__, EnvironmentProblem)
        return RunResult(candidate.name, "skipped" if missing else "failed", str(error), limits)
    sets = [
        judge.set_result(one, wanted, answer)
        for one, wanted, answer in zip(inputs, expected, got, strict=True)
    ]
    for one, wanted, answer, (_, figures) in zip(inputs, expected, got, sets, strict=True):
        if witness is not None and figures:
            witness(Compared(candidate.name, one, wanted.outputs, answer.outputs))
    judged = [result for result, _ in sets]
    wrong = [f"{one.name}: {one.reason}" for one in judged if not one.passed]
    measured = [figures for result, figures in sets if figures and not result.flat]
    outputs = tuple(
        OutputResult(name, kind, worst([figures[name] for figures in measured]))
        for name, (kind, _) in judge.answers.items()
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
        judge.elements(judged),
    )


class _Judge:
    """Judges a candidate's outputs on one set after the other.

    Attributes:
        answers: of the task, see `answers_of`.
        limits: of the precision.
    """

    def __init__(
        self,
        precision: Precision,
        task: Task,
        expected: Sequence[_Ran],
        tolerance: Tolerance | None,
    ) -> None:
        self._precision, self._task, self._tolerance = precision, task, tolerance
        self.limits = precision.thresholds
        self.answers = answers_of(task)
        self._units = {
            output.name: unit_of([ran.outputs[output.name] for ran in expected])
            for output in task.outputs
        }

    def set_result(
        self, one: InputSet, expected: _Ran, got: _Ran
    ) -> tuple[InputResult, dict[str, Figures]]:
        """The result, and the figures of each answer; none where an output has a wrong shape."""
        limits = self._precision.flat_thresholds if one.flat else self._precision.thresholds
        reasons = self._misfits(expected.outputs, got.outputs)
        figures: dict[str, Figures] = {}
        elements = None
        if not reasons:
            for name, (kind, outputs) in self.answers.items():
                unit = self._units[name] if len(outputs) == 1 else 0.0
                answer = Answer(outputs, expected.outputs, got.outputs, expected.shaken, unit)
                figures[name] = KINDS[kind].compare(answer, limits)
                prefix = f"{name}: " if len(self.answers) > 1 else ""
                reasons += [prefix + text for text in figures[name].violations(limits)]
            if self._tolerance is not None:
                elements = self._tolerance.check(expected.outputs, got.outputs)
                reasons += [elements.violation] if elements.violation else []
        metrics, furthest = _furthest(figures)
        result = InputResult(
            one.name,
            one.batch,
            not reasons,
            ", ".join(reasons),
            metrics,
            got.seconds,
            one.flat,
            furthest,
            elements,
        )
        return result, figures

    def elements(self, results: Sequence[InputResult]) -> ElementCheck | None:
        """What became of the tolerance over all sets; None where none was given."""
        if self._tolerance is None:
            return None
        found = [one.elements for one in results if one.elements is not None]
        return ElementCheck.combined(self._tolerance, found)

    def _misfits(self, expected: Outputs, got: Outputs) -> list[str]:
        """Outputs that are not there or have another shape; the others cannot be judged then."""
        reasons = []
        for output in self._task.outputs:
            array, wanted = got.get(output.name), expected[output.name]
            if array is None:
                reasons.append(f"there is no output {output.name}")
            elif array.shape != wanted.shape:
                reasons.append(
                    f"{output.name} have shape {list(array.shape)}, expected {list(wanted.shape)}"
                )
        return reasons


def _furthest(figures: Mapping[str, Figures]) -> tuple[Figures | None, str | None]:
    """The figures of the answer that is furthest off, NaN above all, and its name."""
    if not figures:
        return None, None
    off = {name: one.distance for name, one in figures.items()}
    name = max(off, key=lambda name: (math.isnan(off[name]), off[name]))
    return figures[name], name
