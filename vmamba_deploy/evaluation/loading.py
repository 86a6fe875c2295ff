"""Reading and preprocessing images on threads, some batches ahead of the network."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from vmamba_deploy.errors import InputFileError
from vmamba_deploy.evaluation.results import ImageResult
from vmamba_deploy.evaluation.samples import Batch, Sample

Pixels = npt.NDArray[Any]
Preprocess = Callable[[Path], Pixels]
BATCHES_AHEAD = 2
"""Batches being read while one is run: what bounds the memory, with that one."""


@dataclass(frozen=True)
class LoadedBatch:
    """A batch ready to run.

    Attributes:
        batch: which one.
        images: one result per sample that could be read, with its preprocessing time.
        skipped: one result per sample that could not, with its error.
        pixels: [len(images), ...] in the model's layout; None when none could be read.
    """

    batch: Batch
    images: tuple[ImageResult, ...]
    skipped: tuple[ImageResult, ...]
    pixels: Pixels | None


def load_batches(
    batches: Iterable[Batch],
    preprocess: Preprocess,
    *,
    threads: int,
    skip_unreadable: bool = False,
) -> Iterator[LoadedBatch]:
    """Yield the batches in order, each preprocessed on `threads` threads ahead of its turn.

    Raises:
        InputFileError: an image cannot be read, unless `skip_unreadable`.
    """
    waiting: deque[tuple[Batch, list[Future[tuple[ImageResult, Pixels | None]]]]] = deque()
    with ThreadPoolExecutor(threads, thread_name_prefix="images") as pool:
        try:
            for batch in batches:
                futures = [
                    pool.submit(_load, sample, batch.start + offset, preprocess, skip_unreadable)
                    for offset, sample in enumerate(batch.samples)
                ]
                waiting.append((batch, futures))
                if len(waiting) > BATCHES_AHEAD:
                    yield _collect(*waiting.popleft())
            while waiting:
                yield _collect(*waiting.popleft())
        finally:
            # An error or an interrupt: what has not begun need not.
            pool.shutdown(wait=False, cancel_futures=True)


def _load(
    sample: Sample, index: int, preprocess: Preprocess, skip_unreadable: bool
) -> tuple[ImageResult, Pixels | None]:
    start = time.perf_counter()
    try:
        pixels = preprocess(sample.path)
    except InputFileError as error:
        if not skip_unreadable:
            raise
        return ImageResult(index, error=error.message), None
    milliseconds = (time.perf_counter() - start) * 1e3
    return ImageResult(index, preprocess_ms=round(milliseconds, 4)), pixels


def _collect(batch: Batch, futures: list[Future[tuple[ImageResult, Pixels | None]]]) -> LoadedBatch:
    images, skipped, pixels = [], [], []
    for future in futures:
        result, values = future.result()
        if values is None:
            skipped.append(result)
        else:
            images.append(result)
            pixels.append(values)
    stacked = np.stack(pixels) if pixels else None
    return LoadedBatch(batch, tuple(images), tuple(skipped), stacked)
