"""The parts of `compare_batching.py`, over services whose rates are known."""

from __future__ import annotations

import asyncio
import threading
from collections import Counter
from contextlib import contextmanager

import click
import pytest
from aiohttp import web

from samples.serve_ray.compare_batching import comparison, interleave, model_ms_per_image
from samples.serve_ray.load_client import Tally
from tests.processes import HANG_S
from tests.samples.serve_ray.fake_service import ANSWER, service


@contextmanager
def running(handler):
    """The fake service in a thread of its own, since `interleave` runs a loop in this one."""
    started, ended = threading.Event(), threading.Event()
    urls = []

    async def serve():
        async with service(handler) as url:
            urls.append(url)
            started.set()
            await asyncio.to_thread(ended.wait)

    thread = threading.Thread(target=asyncio.run, args=(serve(),))
    thread.start()
    try:
        assert started.wait(HANG_S)
        yield urls[0]
    finally:
        ended.set()
        thread.join()


def noting(name: str, order: list[str]):
    async def handler(_request):
        order.append(name)
        return web.json_response(ANSWER)

    return handler


def test_rounds_alternate_and_the_first_does_not_count():
    order: list[str] = []
    with running(noting("a", order)) as one, running(noting("b", order)) as other:
        tallies = interleave({"a": one, "b": other}, [b"image"], 2, 3, 1)
    assert order == ["a", "a", "a", "b", "b", "b"] * 3
    assert [len(of_one) for of_one in tallies.values()] == [2, 2]
    assert all(tally.seconds > 0 for of_one in tallies.values() for tally in of_one)


def test_the_ratio_is_that_of_the_rates():
    def rounds(*seconds: float) -> list[Tally]:
        return [
            Tally(sent=6, codes=Counter(ok=6), seconds=one, batch_sizes=[1, 3]) for one in seconds
        ]

    assert comparison(rounds(1.5, 2.0, 3.0), rounds(3.0, 6.0, 3.0)) == {
        "batching_per_second": [4, 3, 2],
        "one_by_one_per_second": [2, 1, 2],
        "ratio_median": 2,
        "ratio_range": [1, 3],
        "mean_batch": 2,
    }


def test_figures_with_failures_are_refused():
    async def handler(_request):
        return web.json_response({"error": {"code": "overloaded"}}, status=503)

    with (
        running(handler) as url,
        pytest.raises(click.ClickException, match="not all were answered"),
    ):
        interleave({"a": url}, [b"image"], 1, 2, 1)


def test_the_model_alone_is_timed_per_image(digits_artifact, digits_folder):
    image = next((digits_folder / "5").iterdir()).read_bytes()
    folder = digits_artifact(engine=False)
    assert model_ms_per_image(folder, image, 8) > 0
