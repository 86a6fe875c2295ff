"""The work of an evaluation: what the journal lacks, here or on a cluster."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from vmamba_deploy.artifacts.manifest import ONNX_NAME, Manifest
from vmamba_deploy.evaluation.intervals import percent
from vmamba_deploy.evaluation.report_data import RunInfo
from vmamba_deploy.pipeline.evaluation_plan import EvaluationPlan

if TYPE_CHECKING:
    from vmamba_deploy.evaluation.journal import Journal
    from vmamba_deploy.evaluation.running import BatchOutcome, Work
    from vmamba_deploy.evaluation.samples import Batch, SampleSet
    from vmamba_deploy.pipeline.events import Steps


def evaluate_pending(
    plan: EvaluationPlan, manifest: Manifest, data: SampleSet, journal: Journal, steps: Steps
) -> RunInfo:
    """Run the batches that the journal lacks.

    Raises:
        InputFileError: an image or the weights cannot be read.
        EnvironmentProblem: the runtime or Ray cannot run here.
        UsageError: the journal is of another runtime.
    """
    pending = [batch for batch in data.batches(plan.batch) if not journal.is_done(batch.start)]
    resumed = len(journal.results)
    if resumed:
        steps.progress(f"{resumed} images are in the journal", resumed / len(data.samples))
    counter = _Counter(data, journal)
    work = _work(plan, manifest)
    try:
        with _outcomes(plan, work, pending) as outcomes:
            started = time.perf_counter()
            for outcome in outcomes:
                journal.append(outcome.runtime, outcome.results)
                counter.add(outcome)
                steps.progress(counter.text(), len(journal.results) / len(data.samples))
            seconds = time.perf_counter() - started
    except (KeyboardInterrupt, SystemExit):
        steps.warn(
            f"stopped after {len(journal.results)} of {len(data.samples)} images; the same command "
            "goes on from there"
        )
        raise
    return RunInfo(
        images=len(journal.results) - resumed,
        seconds=round(seconds, 3),
        batch=plan.batch,
        workers=len(counter.workers),
        distributed=plan.cluster is not None,
        loader_threads=work.loader_threads,
        resumed=resumed,
    )


@contextmanager
def _outcomes(
    plan: EvaluationPlan, work: Work, pending: Sequence[Batch]
) -> Iterator[Iterator[BatchOutcome]]:
    """The stream of outcomes, once what makes them is open."""
    from vmamba_deploy.evaluation.running import open_evaluator

    if not pending:
        yield iter(())
    elif plan.cluster is not None:
        from vmamba_deploy.evaluation.distributed import run_on_ray

        with closing(run_on_ray(pending, work, plan.cluster)) as outcomes:
            yield outcomes
    else:
        with open_evaluator(work) as evaluator, closing(evaluator.run(pending)) as outcomes:
            yield outcomes


def _work(plan: EvaluationPlan, manifest: Manifest) -> Work:
    from vmamba_deploy.evaluation.running import Work

    cores = 1 if plan.cluster is not None else len(os.sched_getaffinity(0))
    threads = plan.threads or (plan.cluster.cores if plan.cluster is not None else 0)
    artifact = plan.artifact.resolve()
    work = Work(
        artifact=artifact,
        runtime=plan.runtime,
        top_k=min(plan.top_k, manifest.classes),
        loader_threads=plan.loader_threads or cores,
        threads=threads,
        skip_unreadable=plan.skip_unreadable,
    )
    if plan.against is None:
        return work
    from vmamba_deploy.pipeline.evaluation_reference import PyTorchReference

    source = Path(plan.weights or manifest.weights.source)
    # Workers may stand in another folder than this process.
    weights = str(source.resolve()) if source.exists() else plan.weights
    return replace(work, reference=PyTorchReference(artifact / ONNX_NAME, weights, threads))


class _Counter:
    """Accuracy so far, for the progress bar, and who worked."""

    def __init__(self, data: SampleSet, journal: Journal) -> None:
        self._data, self._correct, self._counted = data, 0, 0
        self.workers: set[str] = set()
        for result in journal.results.values():
            self._count(result.index, result.first, result.error)

    def add(self, outcome: BatchOutcome) -> None:
        self.workers.add(outcome.worker)
        for result in outcome.results:
            self._count(result.index, result.first, result.error)

    def text(self) -> str:
        accuracy = percent(self._correct / self._counted) if self._counted else "unknown"
        return f"{self._counted} of {len(self._data.samples)} images, top-1 {accuracy}"

    def _count(self, index: int, first: int | None, error: str | None) -> None:
        if error is None:
            self._counted += 1
            self._correct += first == self._data.samples[index].label
