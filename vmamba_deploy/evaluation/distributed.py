"""The same work on a Ray cluster: Ray Data hands batches to actors that hold the artefact open.

Every row is one batch of paths, so that batches are the same as in one process and so are the
figures. Results stream back as they are made; a batch whose worker died is run again by Ray Data,
and only its first outcome counts. Workers import this package from their own environment and read
artefact and images by path: on several machines both lie on storage that all of them see.
"""

from __future__ import annotations

import logging
import os
import socket
from collections.abc import Generator, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any

from vmamba_deploy.errors import EnvironmentProblem, UsageError, VmambaError
from vmamba_deploy.evaluation.running import BatchOutcome, open_evaluator
from vmamba_deploy.evaluation.samples import Batch
from vmamba_deploy.evaluation.scorer import Work
from vmamba_deploy.runtimes.registry import services

if TYPE_CHECKING:
    from vmamba_deploy.evaluation.running import Evaluator

_KNOCK_SECONDS = 5.0
Row = dict[str, Any]


@dataclass(frozen=True)
class Cluster:
    """Where to run.

    Attributes:
        workers: actors, each with the artefact open; 0: one per GPU or core of the cluster.
        address: of a running cluster, as `ray.init` takes it; None starts one on this machine.
        cores: per worker.
    """

    workers: int = 0
    address: str | None = None
    cores: int = 1


def run_on_ray(
    batches: Sequence[Batch], work: Work, cluster: Cluster
) -> Generator[BatchOutcome, None, None]:
    """Yield the outcome of each batch, in the order in which they are ready.

    Args:
        batches: to run.
        work: what to do with each; its paths and its reference must make sense on the workers.
        cluster: where.

    Raises:
        EnvironmentProblem: Ray is not installed, not reachable, or its workers failed.
        UsageError: the cluster has fewer GPUs or cores than the workers need.
        VmambaError: whatever a worker raised.
    """
    if not batches:
        return
    ray = import_ray()
    with _connected(ray, cluster):
        resources = _resources(ray, work, cluster)
        try:
            for row in _stream(ray, batches, work, resources):
                yield _outcome(row["outcome"])
        except ray.exceptions.RayError as error:
            raise EnvironmentProblem(
                f"the Ray cluster failed: {_first_line(error)}",
                hint="the results so far are kept: the same command goes on from there",
            ) from error


def import_ray() -> Any:
    """The module `ray`, with Ray Data.

    Raises:
        EnvironmentProblem: it or what Ray Data needs is not installed.
    """
    # No report of usage leaves the machine unless the user wants it.
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    try:
        import ray
        import ray.data
    except ImportError as error:
        raise EnvironmentProblem(
            f"Ray Data cannot be imported: {error}", hint='pip install "ray[data]"'
        ) from error
    return ray


class Worker:
    """An actor's class: opens the artefact at its first batch and keeps it open."""

    def __init__(self) -> None:
        self._evaluator: Evaluator | None = None
        # Holds the artefact open for as long as the process lives.
        self._open = ExitStack()

    def __call__(self, rows: Row, work: Work) -> Row:
        """Run the batches of `rows`; what goes wrong is told as a callable that makes the error."""
        return {"outcome": [self._run(batch, work) for batch in rows["batch"]]}

    def _run(self, batch: Batch, work: Work) -> BatchOutcome | partial[VmambaError]:
        try:
            if self._evaluator is None:
                self._evaluator = self._open.enter_context(open_evaluator(work))
            (outcome,) = self._evaluator.run([batch])
        except VmambaError as error:
            # Exceptions with keyword arguments do not survive pickling.
            return partial(type(error), error.message, hint=error.hint)
        return outcome


@dataclass(frozen=True)
class _Resources:
    workers: int
    cores: int
    gpus: int


@contextmanager
def _connected(ray: Any, cluster: Cluster) -> Iterator[None]:
    if ray.is_initialized():
        yield
        return
    options: dict[str, Any] = {"address": cluster.address or "local"}
    if cluster.address is not None:
        _require_reachable(cluster.address)
    else:
        cores = cluster.workers * cluster.cores or None
        options |= {"num_cpus": cores, "include_dashboard": False}
    try:
        ray.init(**options, log_to_driver=False, logging_level=logging.ERROR)
    except (ConnectionError, RuntimeError, ValueError, OSError) as error:
        where = "on this machine" if cluster.address is None else f"at {cluster.address}"
        raise EnvironmentProblem(f"no Ray cluster {where}: {_first_line(error)}") from error
    try:
        yield
    finally:
        ray.shutdown()


def _require_reachable(address: str) -> None:
    """Knock at a `host:port` first: Ray itself would try for many minutes."""
    host, _, port = address.rpartition(":")
    if not host or not port.isdecimal() or "/" in host:
        return  # `auto`, or a form that Ray knows
    try:
        socket.create_connection((host, int(port)), timeout=_KNOCK_SECONDS).close()
    except OSError as error:
        raise EnvironmentProblem(
            f"no Ray cluster at {address}: {error.strerror or error}",
            hint="`ray start --head` starts one and prints its address",
        ) from error


def _resources(ray: Any, work: Work, cluster: Cluster) -> _Resources:
    """How many workers, with what; a GPU each where the runtime needs one."""
    available = ray.cluster_resources()
    service = services().get(work.runtime)
    gpus = 1 if service is not None and service.needs_gpu else 0
    kind, each = ("GPU", 1) if gpus else ("CPU", cluster.cores)
    most = int(available.get(kind, 0)) // each
    workers = cluster.workers or most
    if not 1 <= workers <= most:
        raise UsageError(
            f"the Ray cluster has {kind}s for {most} workers, {max(workers, 1)} are wanted",
            hint="choose --ray-workers, or a runtime that runs there with --runtime",
        )
    return _Resources(workers, cluster.cores, gpus)


def _stream(ray: Any, batches: Sequence[Batch], work: Work, resources: _Resources) -> Iterator[Row]:
    context = ray.data.DataContext.get_current()
    context.enable_progress_bars = context.print_on_execution_start = False
    logging.getLogger("ray.data").setLevel(logging.ERROR)
    workers = min(resources.workers, len(batches))
    rows = ray.data.from_items(
        [{"batch": batch} for batch in batches],
        # A block per batch: each outcome comes back when it is there.
        override_num_blocks=len(batches),
    )
    outcomes = rows.map_batches(
        Worker,
        batch_size=1,
        fn_kwargs={"work": replace(work, threads=work.threads or resources.cores)},
        compute=ray.data.ActorPoolStrategy(size=workers),
        num_cpus=resources.cores,
        num_gpus=resources.gpus or None,
    )
    yield from outcomes.iter_rows()


def _outcome(told: BatchOutcome | partial[VmambaError]) -> BatchOutcome:
    if isinstance(told, BatchOutcome):
        return told
    raise told()


def _first_line(error: BaseException) -> str:
    return next(iter(str(error).splitlines()), type(error).__name__)
