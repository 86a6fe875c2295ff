"""Serve an artefact folder on this machine, or on a Ray cluster: `serve.py --artifact FOLDER`."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
# This folder would lend its `errors.py` to every other program's `import errors`.
sys.path[0] = str(ROOT)
os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")

import click  # noqa: E402
import ray  # noqa: E402
from pydantic import ValidationError  # noqa: E402
from ray import serve  # noqa: E402

from samples.serve_ray.app import build  # noqa: E402
from samples.serve_ray.settings import Settings  # noqa: E402
from vmamba_deploy.cli.reporting import run_program  # noqa: E402
from vmamba_deploy.errors import EnvironmentProblem, UsageError  # noqa: E402


def start_ray(settings: Settings, address: str | None, cpus: float, temp_dir: str | None) -> None:
    """Connect to a cluster, or start Ray in this process and its children.

    Raises:
        UsageError: the replicas ask for more cores than there are, and would wait for ever.
    """
    environment = {"env_vars": {"PYTHONPATH": str(ROOT)}}
    if address is not None:
        ray.init(address=address, runtime_env=environment)
        return
    wanted = settings.replicas * settings.cpus_per_replica
    if wanted > cpus:
        raise UsageError(
            f"{settings.replicas} replicas of {settings.cpus_per_replica:g} cores need {wanted:g} "
            f"cores, and this machine has {cpus:g}",
            hint="lower --replicas or --cpus-per-replica, or share cores with --cpus",
        )
    ray.init(
        num_cpus=int(cpus),
        include_dashboard=False,
        object_store_memory=settings.object_store_bytes,
        runtime_env=environment,
        _temp_dir=temp_dir,
    )


def run_until_stopped(settings: Settings, host: str, port: int) -> None:
    """Deploy, say where, and stop everything at SIGINT or SIGTERM.

    Raises:
        EnvironmentProblem: the replicas cannot open the artefact; the log says why.
    """
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    serve.start(http_options={"host": host, "port": port})
    try:
        serve.run(build(settings.model_dump()))
    except RuntimeError as error:
        raise EnvironmentProblem(
            f"the application did not start: {error}",
            hint="the message of a replica above says why",
        ) from error
    print(f"ready at http://{host}:{port}/", flush=True)
    while not stop.wait(1.0):
        pass
    print("stopping", flush=True)


def _settings_as_options(command: Callable[..., None]) -> Callable[..., None]:
    """An option for each of the settings, checked by these."""
    for name, field in reversed(Settings.model_fields.items()):
        words: dict[str, Any] = (
            {} if field.is_required() else {"default": field.default, "show_default": True}
        )
        command = click.option(
            f"--{name.replace('_', '-')}",
            required=field.is_required(),
            is_flag=field.annotation is bool,
            help=field.description,
            **words,
        )(command)
    return command


@click.command()
@_settings_as_options
@click.option("--host", default="127.0.0.1", help="Address to listen on; 0.0.0.0 for all.")
@click.option("--port", type=click.IntRange(1, 65535), default=8000)
@click.option("--address", help="Of a running Ray cluster; without it Ray starts here.")
@click.option("--cpus", type=float, default=os.cpu_count() or 1, help="Cores that Ray may count.")
@click.option("--temp-dir", help="For Ray's sockets and logs; a short path.")
def command(
    host: str, port: int, address: str | None, cpus: float, temp_dir: str | None, **options: Any
) -> None:
    """Serve an artefact folder over HTTP with Ray Serve, until SIGINT or SIGTERM."""
    try:
        settings = Settings.model_validate(options)
    except ValidationError as error:
        first = error.errors()[0]
        name = str(first["loc"][0]).replace("_", "-")
        raise UsageError(f"--{name}: {first['msg']}, got {first['input']}") from error
    build(options)  # an artefact that is none ends here, before anything has started
    start_ray(settings, address, cpus, temp_dir)
    try:
        run_until_stopped(settings, host, port)
    finally:
        serve.shutdown()
        ray.shutdown()


def main() -> None:
    """Run the command; errors that the user can act on end it as those of the product do."""
    run_program(command, "serve.py")


if __name__ == "__main__":
    main()
