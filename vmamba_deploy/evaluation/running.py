"""One process's work: open the artefact once, then run batch after batch."""

from __future__ import annotations

import os
import platform
from collections.abc import Generator, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from vmamba_deploy.evaluation.loading import LoadedBatch, load_batches
from vmamba_deploy.evaluation.results import Result
from vmamba_deploy.evaluation.samples import Batch
from vmamba_deploy.evaluation.scorer import Judge, Work
from vmamba_deploy.evaluation.scorers import scorer_of

_WORKER = f"{platform.node()}/{os.getpid()}"


@dataclass(frozen=True)
class BatchOutcome:
    """A batch that was run.

    Attributes:
        runtime: that ran it.
        results: one per sample, in their order.
        worker: the process that ran it.
    """

    batch: Batch
    runtime: str
    results: tuple[Result, ...]
    worker: str


class Evaluator:
    """Runs batches on an opened artefact.

    Args:
        judge: the artefact, and what it is judged by.
        work: what to do.
    """

    def __init__(self, judge: Judge, work: Work) -> None:
        self._judge, self._work = judge, work
        judge.warm_up()

    def run(self, batches: Iterable[Batch]) -> Generator[BatchOutcome, None, None]:
        """Yield the outcome of each batch, in their order.

        Raises:
            InputFileError: an unreadable image that is not to be skipped; the message names it.
        """
        loaded = load_batches(
            batches,
            self._judge.read,
            threads=self._work.loader_threads,
            skip_unreadable=self._work.skip_unreadable,
        )
        for one in loaded:
            results = sorted(self._results(one), key=lambda result: result.index)
            yield BatchOutcome(one.batch, self._judge.runtime, tuple(results), _WORKER)

    def _results(self, loaded: LoadedBatch) -> list[Result]:
        result = scorer_of(self._work.task).result
        skipped = [result(one.index, error=one.error) for one in loaded.skipped]
        return [*skipped, *(self._judge.score(loaded) if loaded.images else ())]


@contextmanager
def open_evaluator(work: Work) -> Iterator[Evaluator]:
    """Open the artefact, and close it at the end.

    Raises:
        IntegrityError, EnvironmentProblem, UsageError: see `vmamba_deploy.inference.load`.
    """
    with scorer_of(work.task).open(work) as judge:
        yield Evaluator(judge, work)
