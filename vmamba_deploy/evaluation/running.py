"""One process's work: open the artefact once, then run batch after batch."""

from __future__ import annotations

import io
import os
import platform
import time
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from vmamba_deploy.evaluation.loading import LoadedBatch, load_batches
from vmamba_deploy.evaluation.results import ImageResult
from vmamba_deploy.evaluation.samples import Batch
from vmamba_deploy.evaluation.scoring import score
from vmamba_deploy.preprocessing import MAX_PIXELS, preprocess

if TYPE_CHECKING:
    from vmamba_deploy.inference import Classifier

Network = Callable[[npt.NDArray[Any]], npt.NDArray[np.float32]]
OpenReference = Callable[[], Network]
"""Opens the network to compare with, where it is going to run. Pickled to workers of a cluster."""


_WORKER = f"{platform.node()}/{os.getpid()}"


@dataclass(frozen=True)
class Work:
    """What a process is to do with each batch; the same for every process of a run.

    Attributes:
        artifact: the artefact folder.
        runtime: `auto`, `trt`, `rtx`, `ort` or `ort-cuda`.
        top_k: classes to keep per image.
        loader_threads: that read and preprocess images.
        threads: of the runtime; 0 leaves the number to it.
        skip_unreadable: note unreadable images instead of raising.
        max_pixels: larger images are not readable.
        reference: opens the network to compare with; None without.
    """

    artifact: Path
    runtime: str = "auto"
    top_k: int = 5
    loader_threads: int = 2
    threads: int = 0
    skip_unreadable: bool = False
    max_pixels: int = MAX_PIXELS
    reference: OpenReference | None = None


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
    results: tuple[ImageResult, ...]
    worker: str


class Evaluator:
    """Runs batches on an opened artefact, and on the reference where there is one."""

    def __init__(self, model: Classifier, work: Work) -> None:
        self._model, self._work = model, work
        self._reference = work.reference() if work.reference is not None else None
        self._warm_up()

    def run(self, batches: Iterable[Batch]) -> Generator[BatchOutcome, None, None]:
        """Yield the outcome of each batch, in their order.

        Raises:
            InputFileError: an unreadable image that is not to be skipped; the message names it.
        """
        loaded = load_batches(
            batches,
            partial(
                preprocess,
                preprocessing=self._model.preprocessing,
                max_pixels=self._work.max_pixels,
            ),
            threads=self._work.loader_threads,
            skip_unreadable=self._work.skip_unreadable,
        )
        for one in loaded:
            results = sorted((*one.skipped, *self._score(one)), key=lambda result: result.index)
            yield BatchOutcome(one.batch, self._model.runtime, tuple(results), _WORKER)

    def _warm_up(self) -> None:
        """Read one image and run it, so that what happens once is not in the first batch's time."""
        pixels = self._model.preprocess([_any_image()])
        self._model(pixels)
        if self._reference is not None:
            self._reference(pixels)

    def _score(self, loaded: LoadedBatch) -> list[ImageResult]:
        if loaded.pixels is None:
            return []
        start = time.perf_counter()
        logits = self._model(loaded.pixels)
        between = time.perf_counter()
        expected = None if self._reference is None else self._reference(loaded.pixels)
        return score(
            loaded.images,
            logits,
            top_k=self._work.top_k,
            milliseconds=(between - start) * 1e3,
            reference=expected,
            reference_ms=(time.perf_counter() - between) * 1e3,
        )


def _any_image() -> bytes:
    content = io.BytesIO()
    Image.new("RGB", (8, 8)).save(content, format="PNG")
    return content.getvalue()


@contextmanager
def open_evaluator(work: Work) -> Iterator[Evaluator]:
    """Open the artefact, and close it at the end.

    Raises:
        IntegrityError, EnvironmentProblem, UsageError: see `vmamba_deploy.inference.load`.
    """
    from vmamba_deploy.inference import load_classifier

    with load_classifier(
        work.artifact, runtime=work.runtime, streams=1, threads=work.threads
    ) as model:
        yield Evaluator(model, work)
