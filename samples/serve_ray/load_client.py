"""Many requests over a bounded number of connections, and what became of each."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import aiohttp
import numpy as np

REQUEST_TIMEOUT_S = 60.0


@dataclass
class Tally:
    """Of one run.

    Attributes:
        sent: requests begun.
        codes: how often each outcome came: `ok`, an error's code, or `transport` where no answer
            came at all.
        latencies_ms: of the answers that were `ok`.
        retried: answers that took the service more than one try.
        batch_sizes: that the answers name, one per image.
        replicas: that answered, with their counts.
        seconds: from the first request to the last answer.
    """

    sent: int = 0
    codes: Counter[str] = field(default_factory=Counter)
    latencies_ms: list[float] = field(default_factory=list)
    retried: int = 0
    batch_sizes: list[int] = field(default_factory=list)
    replicas: Counter[str] = field(default_factory=Counter)
    seconds: float = 0.0

    @property
    def answered(self) -> int:
        """Requests that have an outcome."""
        return self.codes.total()

    def report(self) -> dict[str, Any]:
        """As JSON; times in milliseconds."""
        ok = self.codes["ok"]
        percentiles = {
            f"p{rank}_ms": round(float(np.percentile(self.latencies_ms, rank)), 1)
            for rank in (50, 90, 99, 100)
            if self.latencies_ms
        }
        return {
            "sent": self.sent,
            "ok": ok,
            "failed": self.sent - ok,
            "retried": self.retried,
            "outcomes": dict(self.codes),
            "seconds": round(self.seconds, 2),
            "requests_per_second": round(ok / self.seconds, 1),
            **percentiles,
            "mean_batch": round(float(np.mean(self.batch_sizes)), 2) if ok else None,
            "replicas": dict(self.replicas),
        }


async def send_all(
    url: str,
    images: Sequence[bytes],
    requests: int,
    connections: int,
    on_progress: Callable[[int], None] = lambda _answered: None,
) -> Tally:
    """Send `requests` requests, `connections` at a time, each as soon as one before is answered.

    Args:
        url: of the service.
        images: encoded images, sent in turn.
        requests: in all.
        connections: kept open side by side.
        on_progress: called with the number of answers after each; kills a replica, say.
    """
    tally = Tally()
    connector = aiohttp.TCPConnector(limit=connections)
    timeout = aiohttp.ClientTimeout(total=REQUEST_TIMEOUT_S)
    # aiohttp repeats no POST, so that a lost request shows.
    async with aiohttp.ClientSession(connector=connector, timeout=timeout) as session:

        async def work() -> None:
            while tally.sent < requests:
                image = images[tally.sent % len(images)]
                tally.sent += 1
                await _send(session, f"{url}/v1/predict?top_k=1", image, tally)
                on_progress(tally.answered)

        started = time.perf_counter()
        await asyncio.gather(*(work() for _ in range(connections)))
        tally.seconds = time.perf_counter() - started
    return tally


async def _send(session: aiohttp.ClientSession, url: str, image: bytes, tally: Tally) -> None:
    started = time.perf_counter()
    try:
        async with session.post(url, data=image) as answer:
            body = await answer.json()
    except (aiohttp.ClientError, TimeoutError):
        tally.codes["transport"] += 1
        return
    if "error" in body:
        tally.codes[body["error"]["code"]] += 1
        return
    tally.codes["ok"] += 1
    tally.latencies_ms.append((time.perf_counter() - started) * 1000)
    tally.retried += body["tries"] > 1
    tally.batch_sizes.append(body["batch_size"])
    tally.replicas[body["replica"]] += 1
