"""Sessions that are taken and given back, so that any number of threads may call."""

from __future__ import annotations

import queue
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from vmamba_deploy.errors import ClosedError

if TYPE_CHECKING:
    from vmamba_deploy.runtimes.base import Session


class LanePool:
    """Each session serves one thread at a time; further threads wait for one to come back.

    Args:
        lanes: at least one.
    """

    def __init__(self, lanes: Sequence[Session]) -> None:
        self._lanes = tuple(lanes)
        # The last one given back is taken first: its buffers and graph are warm.
        self._idle: queue.LifoQueue[Session | None] = queue.LifoQueue()
        for lane in self._lanes:
            self._idle.put(lane)
        self._closed = False
        self._closing = threading.Lock()

    def __len__(self) -> int:
        return len(self._lanes)

    @property
    def closed(self) -> bool:
        """Whether `close` was called."""
        return self._closed

    @contextmanager
    def take(self) -> Iterator[Session]:
        """A session for the block, which no other thread uses meanwhile.

        Raises:
            ClosedError: the pool is closed, or is closed while this thread waits.
        """
        if self._closed:
            raise ClosedError("this model is closed")
        lane = self._idle.get()
        if lane is None:
            self._idle.put(None)  # for the next one that waits
            raise ClosedError("this model is closed")
        try:
            yield lane
        finally:
            self._idle.put(lane)

    def close(self) -> None:
        """Wait for the calls under way, refuse those that wait, and close every session."""
        with self._closing:
            if self._closed:
                return
            self._closed = True
            for _ in self._lanes:
                lane = self._idle.get()
                assert lane is not None  # only this method puts None, below
                lane.close()
            self._idle.put(None)
