"""The load client counts every outcome, and sends no more than it is told."""

from __future__ import annotations

import asyncio
import json

import pytest
from aiohttp import web

from samples.serve_ray.load_client import send_all
from tests.processes import HANG_S
from tests.samples.serve_ray.fake_service import ANSWER, service


def load(handler, requests: int, connections: int, **options):
    async def run():
        async with service(handler) as url:
            return await send_all(url, [b"one", b"two"], requests, connections, **options)

    return asyncio.run(run())


def test_sends_all_requests_over_so_many_connections():
    seen, at_once = [], []
    active = 0
    company = asyncio.Barrier(4)

    async def handler(request):
        nonlocal active
        active += 1
        at_once.append(active)
        seen.append(await request.read())
        async with asyncio.timeout(HANG_S):
            await company.wait()
        await asyncio.sleep(0.01)
        active -= 1
        return web.json_response(ANSWER)

    progress = []
    tally = load(handler, 20, 4, on_progress=progress.append)
    assert tally.sent == tally.codes["ok"] == 20
    assert sorted(seen) == [b"one"] * 10 + [b"two"] * 10
    assert max(at_once) == 4
    assert progress == list(range(1, 21))


def test_counts_errors_lost_connections_and_retries_apart():
    answers = iter(["ok", "full", "gone", "again"])

    async def handler(request):
        kind = next(answers)
        if kind == "gone":
            request.transport.abort()
        if kind == "full":
            return web.json_response({"error": {"code": "overloaded"}}, status=503)
        return web.json_response({**ANSWER, "tries": 2 if kind == "again" else 1})

    tally = load(handler, 4, 1)
    assert tally.codes == {"ok": 2, "overloaded": 1, "transport": 1}
    report = json.loads(json.dumps(tally.report()))
    assert (report["sent"], report["ok"], report["failed"], report["retried"]) == (4, 2, 2, 1)
    assert report["mean_batch"] == 2
    assert report["p50_ms"] <= report["p99_ms"]


def test_a_run_without_an_answer_still_reports():
    async def handler(_request):
        return web.json_response({"error": {"code": "not_ready"}}, status=503)

    report = load(handler, 3, 2).report()
    assert (report["ok"], report["failed"]) == (0, 3)
    assert report["outcomes"] == {"not_ready": 3}
    assert "p50_ms" not in report


@pytest.mark.parametrize("connections", [1, 8])
def test_more_connections_than_requests_send_no_more(connections):
    async def handler(_request):
        return web.json_response(ANSWER)

    assert load(handler, 3, connections).sent == 3
