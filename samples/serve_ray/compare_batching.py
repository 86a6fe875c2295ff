"""What batching gives here, beside the time of the model alone; prints JSON.

Two servers run side by side, and rounds of load go to one and the other in turn, so that whatever
else the machine does meets both.
"""

from __future__ import annotations

import asyncio
import json
import statistics
import sys
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
sys.path[0] = str(ROOT)

import click  # noqa: E402
import numpy as np  # noqa: E402

from samples.serve_ray.load_client import Tally, send_all  # noqa: E402
from samples.serve_ray.load_test import read_images  # noqa: E402
from samples.serve_ray.running_server import running_server  # noqa: E402
from vmamba_deploy.inference import load_classifier  # noqa: E402

REPEATS = 50


def model_ms_per_image(artifact: Path, image: bytes, batch: int) -> float:
    """Median time of the model alone, one thread, in milliseconds per image."""
    with load_classifier(artifact, streams=1, threads=1) as model:
        pixels = np.repeat(model.preprocess([image]), batch, axis=0)
        model(pixels)
        times = []
        for _ in range(REPEATS):
            started = time.perf_counter()
            model(pixels)
            times.append(time.perf_counter() - started)
    return round(statistics.median(times) * 1000 / batch, 3)


def interleave(
    urls: dict[str, str], images: list[bytes], rounds: int, requests: int, connections: int
) -> dict[str, list[Tally]]:
    """Load several services in turn, `rounds` times, after a round that does not count.

    Raises:
        click.ClickException: a request had no answer, so the figures would mean nothing.
    """
    tallies: dict[str, list[Tally]] = {name: [] for name in urls}
    for _ in range(rounds + 1):
        for name, url in urls.items():
            tally = asyncio.run(send_all(url, images, requests, connections))
            if tally.codes["ok"] != requests:
                raise click.ClickException(f"not all were answered: {tally.report()}")
            tallies[name].append(tally)
    return {name: of_one[1:] for name, of_one in tallies.items()}


def comparison(batching: list[Tally], one_by_one: list[Tally]) -> dict[str, Any]:
    """Rates of both, round by round, and how many times the one is the other."""
    rates = [[one.codes["ok"] / one.seconds for one in of] for of in (batching, one_by_one)]
    ratios = [with_it / without for with_it, without in zip(*rates, strict=True)]
    return {
        "batching_per_second": [round(rate, 1) for rate in rates[0]],
        "one_by_one_per_second": [round(rate, 1) for rate in rates[1]],
        "ratio_median": round(statistics.median(ratios), 3),
        "ratio_range": [round(min(ratios), 3), round(max(ratios), 3)],
        "mean_batch": round(statistics.fmean(one.report()["mean_batch"] for one in batching), 2),
    }


@click.command()
@click.option("--artifact", type=click.Path(exists=True, path_type=Path), required=True)
@click.option("--images", type=click.Path(exists=True, path_type=Path), required=True)
@click.option("--rounds", type=click.IntRange(1, 50), default=7)
@click.option("--requests", type=click.IntRange(1, 20_000), default=300, help="Per round.")
@click.option("--connections", type=click.IntRange(1, 256), default=16)
@click.option("--max-batch", type=click.IntRange(2), default=8)
@click.option("--batch-wait-ms", type=click.FloatRange(0), default=5.0)
def command(
    artifact: Path,
    images: Path,
    rounds: int,
    requests: int,
    connections: int,
    max_batch: int,
    batch_wait_ms: float,
) -> None:
    """Measure one replica with batching and without, in turn."""
    encoded = read_images(images)
    floor = {
        f"model_ms_per_image_batch_{batch}": model_ms_per_image(artifact, encoded[0], batch)
        for batch in (1, max_batch)
    }
    on = ["--max-batch", str(max_batch), "--batch-wait-ms", str(batch_wait_ms)]
    off = ["--max-batch", "1", "--batch-wait-ms", "0"]
    with running_server(artifact, on) as gathers, running_server(artifact, off) as single:
        urls = {"batching": gathers.url, "one_by_one": single.url}
        tallies = interleave(urls, encoded, rounds, requests, connections)
    print(json.dumps({**floor, **comparison(**tallies)}, indent=1))


if __name__ == "__main__":
    command()
