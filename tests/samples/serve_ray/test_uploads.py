from __future__ import annotations

import asyncio

import pytest

from samples.serve_ray.errors import ServiceError
from samples.serve_ray.uploads import Uploads
from tests.processes import HANG_S


def test_one_more_ends_the_oldest_and_an_upload_in_time_goes_on():
    counts = []

    async def upload(uploads, content, deadline_s=HANG_S):
        async with uploads.one(asyncio.get_running_loop().time() + deadline_s):
            return await content

    async def run():
        never, uploads = asyncio.Event(), Uploads(2, counts.append)
        oldest, middle = (asyncio.create_task(upload(uploads, never.wait())) for _ in range(2))
        await asyncio.sleep(0)
        assert await upload(uploads, asyncio.sleep(0, "image")) == "image"
        with pytest.raises(ServiceError, match="before others needed its place") as ended:
            await oldest
        assert ended.value.code == "upload_timeout"
        assert not middle.done()
        with pytest.raises(ServiceError, match="in time"):
            await upload(uploads, never.wait(), deadline_s=0.01)
        never.set()
        assert await middle

    asyncio.run(run())
    assert max(counts) == 2
    assert counts[-1] == 0


def test_many_at_once_end_as_many():
    async def run():
        never, uploads = asyncio.Event(), Uploads(3, lambda count: None)

        async def upload():
            async with uploads.one(asyncio.get_running_loop().time() + HANG_S):
                await never.wait()

        tasks = [asyncio.create_task(upload()) for _ in range(10)]
        await asyncio.wait(tasks, timeout=0.05)
        assert [task.done() for task in tasks] == [True] * 7 + [False] * 3
        never.set()
        results = await asyncio.gather(*tasks, return_exceptions=True)
        assert [type(result) for result in results] == [ServiceError] * 7 + [type(None)] * 3

    asyncio.run(run())
