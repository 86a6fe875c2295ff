"""The parts of `compare_batching.py`, over services whose rates are known."""

from __future__ import annotations

import asyncio
import threading
from contextlib import contextmanager

import click
import pytest
from aiohttp import web

from samples.serve_ray.compare_batching import comparison, interleave, model_ms_per_image
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
        assert started.wait(10)
        yield urls[0]
    finally:
        ended.set()
        thread.join()


def answer_after(seconds: float, order: list[float] | None = None):
    async def handler(_request):
        if order is not None:
            order.append(seconds)
        await asyncio.sleep(seconds)
        return web.json_response(ANSWER)

    return handler


def test_rounds_alternate_and_the_first_does_not_count():
    order: list[float] = []
    with running(answer_after(0.001, order)) as fast, running(answer_after(0.002, order)) as slow:
        tallies = interleave({"a": fast, "b": slow}, [b"image"], 2, 3, 1)
    assert order == ([0.001] * 3 + [0.002] * 3) * 3
    assert [len(of_one) for of_one in tallies.values()] == [2, 2]


def test_the_ratio_is_that_of_the_rates():
    with running(answer_after(0.02)) as fast, running(answer_after(0.2)) as slow:
        tallies = interleave({"batching": fast, "one_by_one": slow}, [b"image"], 1, 3, 1)
    report = comparison(**tallies)
    assert 2 < report["ratio_median"] < 10
    assert report["mean_batch"] == 2
    assert len(report["batching_per_second"]) == 1


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
    assert 0 < model_ms_per_image(folder, image, 8) < 1000
