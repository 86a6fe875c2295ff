"""The application: `serve run samples.serve_ray.app:build artifact=FOLDER [name=value ...]`."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ray.serve import Application
from ray.serve.schema import LoggingConfig

from samples.serve_ray.answers import answers_of
from samples.serve_ray.ingress import Ingress
from samples.serve_ray.replica import CONCURRENT_BATCHES, Replica
from samples.serve_ray.settings import Settings
from vmamba_deploy.artifacts.manifest import read_manifest

START_TRIES = 2
"""Of a replica that cannot open the artefact; more would only delay the message."""

HEALTH_CHECK_S = 30.0
"""For a health check, at least; Serve's own default."""

FEWEST_ONGOING = 16
"""Requests in a replica at once: a batch that runs, one that gathers, one that is decoded; and not
so few that the router spends its time on replicas that refuse."""


def build(arguments: Mapping[str, Any]) -> Application:
    """An ingress before replicas of the model.

    Args:
        arguments: fields of `Settings`; values may be text.

    Raises:
        pydantic.ValidationError: an argument that is unknown or out of its range.
        InputFileError, IntegrityError: the folder is no artefact.
        UsageError: its task is not served, or no image file can be an input of its network.
    """
    settings = Settings.model_validate(dict(arguments))
    manifest = read_manifest(Path(settings.artifact))
    answers_of(manifest.task)  # a task that is not served ends here
    preprocessing = manifest.prepared()
    preprocessing.require_files("serve it with Triton: `vmamba-deploy package --no-ensemble`")
    log = LoggingConfig(enable_access_log=settings.access_log)
    model = Replica.options(
        num_replicas=settings.replicas,
        ray_actor_options={
            "num_cpus": settings.cpus_per_replica,
            "num_gpus": settings.gpus_per_replica,
        },
        max_ongoing_requests=max(FEWEST_ONGOING, settings.max_batch * (CONCURRENT_BATCHES + 2)),
        # It runs the model, behind a batch that does: not to be replaced for what answers in time.
        health_check_timeout_s=max(HEALTH_CHECK_S, settings.timeout_s),
        max_constructor_retry_count=START_TRIES,
        graceful_shutdown_wait_loop_s=0.5,
        graceful_shutdown_timeout_s=settings.timeout_s + 5,
        logging_config=log,
    ).bind(settings)
    return Ingress.options(
        num_replicas=settings.ingress_replicas,
        # It waits more than it computes, and must not take a core from the model.
        ray_actor_options={"num_cpus": 0},
        # Room beyond its own limits: refusals, probes and metrics must get through when it is full.
        max_ongoing_requests=settings.max_in_flight + settings.max_uploads + 256,
        graceful_shutdown_wait_loop_s=0.5,
        graceful_shutdown_timeout_s=settings.timeout_s + 5,
        logging_config=log,
    ).bind(model, settings, preprocessing)
