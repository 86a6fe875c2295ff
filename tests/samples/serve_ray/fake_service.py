"""A service on loopback that answers as a test tells it."""

from __future__ import annotations

from contextlib import asynccontextmanager

from aiohttp import web

ANSWER = {"tries": 1, "batch_size": 2, "replica": "a", "predictions": []}


@asynccontextmanager
async def service(handler):
    """Serve `/v1/predict` with an aiohttp handler; gives the URL."""
    application = web.Application()
    application.router.add_post("/v1/predict", handler)
    runner = web.AppRunner(application)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    try:
        host, port = runner.addresses[0][:2]
        yield f"http://{host}:{port}"
    finally:
        await runner.cleanup()
