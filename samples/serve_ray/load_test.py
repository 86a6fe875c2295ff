"""Load on a server of its own on loopback, with a replica killed half-way; prints JSON.

`python samples/serve_ray/load_test.py --artifact FOLDER --images FOLDER`
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
sys.path[0] = str(ROOT)

import click  # noqa: E402

from samples.serve_ray.load_client import Tally, send_all  # noqa: E402
from samples.serve_ray.running_server import RunningServer, running_server  # noqa: E402

MOST_REQUESTS = 200_000
MOST_CONNECTIONS = 256
REPLACED_WITHIN_S = 300.0
_SUFFIXES = {".png", ".jpg", ".jpeg", ".webp", ".bmp", ".gif"}


def read_images(folder: Path, most: int = 500) -> list[bytes]:
    """Up to `most` encoded images below a folder, in the order of their names.

    Raises:
        click.UsageError: it has none.
    """
    paths = sorted(path for path in folder.rglob("*") if path.suffix.lower() in _SUFFIXES)
    if not paths:
        raise click.UsageError(f"{folder} has no images")
    return [path.read_bytes() for path in paths[:most]]


class ReplicaKiller:
    """Ends one process of the model, the hard way, once so many requests are answered."""

    def __init__(self, server: RunningServer, after: int) -> None:
        self._server = server
        self._after = after
        self.before = server.model_pids()
        self.killed: int | None = None

    def __call__(self, answered: int) -> None:
        """Kill when it is time, once."""
        if self.killed is None and answered >= self._after:
            self.killed = self.before[0]
            os.kill(self.killed, signal.SIGKILL)

    def report(self) -> dict[str, Any]:
        """What was killed, and how long Serve took to bring the number of replicas back."""
        ended = time.monotonic()
        while time.monotonic() < ended + REPLACED_WITHIN_S:
            alive = self._server.model_pids()
            if self.killed not in alive and len(alive) == len(self.before):
                break
            time.sleep(0.1)
        return {
            "pid": self.killed,
            "after_answers": self._after,
            "replicas_before": len(self.before),
            "replicas_after": len(self._server.model_pids()),
        }


def load_with_kill(
    server: RunningServer, images: list[bytes], requests: int, connections: int
) -> tuple[Tally, dict[str, Any]]:
    """Send requests and kill one of the server's replicas half-way.

    Returns:
        What became of the requests, and of the replica.
    """
    killer = ReplicaKiller(server, requests // 2)
    tally = asyncio.run(send_all(server.url, images, requests, connections, killer))
    return tally, killer.report()


@click.command()
@click.option("--artifact", type=click.Path(exists=True, path_type=Path), required=True)
@click.option("--images", type=click.Path(exists=True, path_type=Path), required=True)
@click.option("--requests", type=click.IntRange(1, MOST_REQUESTS), default=2000)
@click.option("--connections", type=click.IntRange(1, MOST_CONNECTIONS), default=16)
@click.option("--replicas", type=click.IntRange(1), default=2)
@click.option("--kill/--no-kill", default=True, help="Kill a replica half-way.")
@click.argument("server_options", nargs=-1)
def command(
    artifact: Path,
    images: Path,
    requests: int,
    connections: int,
    replicas: int,
    kill: bool,
    server_options: tuple[str, ...],
) -> None:
    """Start a server, load it and stop it. SERVER_OPTIONS, after `--`, go to serve.py.

    Ends with 1 if a request was lost.
    """
    encoded = read_images(images)
    busy = round(os.getloadavg()[0], 1)
    options = ["--replicas", str(replicas), *server_options]
    with running_server(artifact, options) as server:
        asyncio.run(send_all(server.url, encoded, 200, connections))
        if kill:
            tally, killed = load_with_kill(server, encoded, requests, connections)
            report = {**tally.report(), "killed": killed}
        else:
            tally = asyncio.run(send_all(server.url, encoded, requests, connections))
            report = tally.report()
    print(json.dumps({"load_average_before": busy, **report}, indent=1))
    sys.exit(tally.codes["ok"] != requests)


if __name__ == "__main__":
    command()
