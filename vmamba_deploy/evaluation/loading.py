"""Reading images on threads, some batches ahead of the network."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from vmamba_deploy.errors import InputFileError
from vmamba_deploy.evaluation.results import Result
from vmamba_deploy.evaluation.samples import AnySample, Batch

Read = Callable[[Any], Any]
"""Reads a sample: its image, and what else its scorer wants of its files."""
BATCHES_AHEAD = 2
"""Batches being read while one is run: what bounds the memory, with that one."""


@dataclass(frozen=True)
class LoadedBatch:
    """A batch ready to run.

    Attributes:
        batch: which one.
        images: one per sample that could be read, with the time that it took.
        skipped: one per sample that could not, with the reason.
        contents: what was read of each of `images`.
    """

    batch: Batch
    images: tuple[Result, ...]
    skipped: tuple[Result, ...]
    contents: tuple[Any, ...]


def load_batches(
    batches: Iterable[Batch],
    read: Read,
    *,
    threads: int,
    skip_unreadable: bool = False,
) -> Iterator[LoadedBatch]:
    """Yield the batches in order, each read on `threads` threads ahead of its turn.

    Raises:
        InputFileError: an image cannot be read, unless `skip_unreadable`.
    """
    waiting: deque[tuple[Batch, list[Future[tuple[Result, Any]]]]] = deque()
    with ThreadPoolExecutor(threads, thread_name_prefix="images") as pool:
        try:
            for batch in batches:
                futures = [
                    pool.submit(_load, sample, batch.start + offset, read, skip_unreadable)
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


def _load(sample: AnySample, index: int, read: Read, skip_unreadable: bool) -> tuple[Result, Any]:
    start = time.perf_counter()
    try:
        content = read(sample)
    except InputFileError as error:
        if not skip_unreadable:
            raise
        return Result(index, error=error.message), None
    milliseconds = (time.perf_counter() - start) * 1e3
    return Result(index, preprocess_ms=round(milliseconds, 4)), content


def _collect(batch: Batch, futures: list[Future[tuple[Result, Any]]]) -> LoadedBatch:
    results = [future.result() for future in futures]
    good = [(image, content) for image, content in results if image.error is None]
    return LoadedBatch(
        batch,
        images=tuple(image for image, _ in good),
        skipped=tuple(image for image, _ in results if image.error is not None),
        contents=tuple(content for _, content in good),
    )
