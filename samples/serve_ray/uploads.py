"""Images that are arriving: bounded in number and time, so that slow ones starve nobody."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from samples.serve_ray.errors import ServiceError


class Uploads:
    """Places for images that are still arriving.

    Where none is free, the upload that began first is ended: whoever sends quickly gets through,
    however many send slowly.

    Args:
        places: uploads at once; each holds an image's bytes at most.
        on_change: called with the number of uploads.
    """

    def __init__(self, places: int, on_change: Callable[[int], None]) -> None:
        self._places, self._on_change = places, on_change
        self._arriving: dict[object, asyncio.Timeout] = {}  # in the order of their beginning

    @asynccontextmanager
    async def one(self, deadline: float) -> AsyncIterator[None]:
        """A block that receives an image until `deadline`, a time of the event loop.

        Raises:
            ServiceError: `upload_timeout`, at the deadline or to make room.
        """
        if len(self._arriving) >= self._places:
            self._end_oldest()
        key = object()
        try:
            async with asyncio.timeout_at(deadline) as limit:
                self._arriving[key] = limit
                self._on_change(len(self._arriving))
                try:
                    yield
                finally:
                    self._arriving.pop(key, None)
                    self._on_change(len(self._arriving))
        except TimeoutError as error:
            late = asyncio.get_running_loop().time() >= deadline
            reason = "in time" if late else "before others needed its place"
            raise ServiceError(
                "upload_timeout", f"the image did not arrive {reason}", "send a smaller image"
            ) from error

    def _end_oldest(self) -> None:
        oldest = self._arriving.pop(next(iter(self._arriving)))
        if not oldest.expired():
            oldest.reschedule(asyncio.get_running_loop().time())
