"""One image to some replica, and to another one if that replica dies meanwhile."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from ray.exceptions import (
    NodeDiedError,
    ObjectLostError,
    RayActorError,
    WorkerCrashedError,
)
from ray.serve.exceptions import BackPressureError
from ray.serve.handle import DeploymentHandle

from samples.serve_ray.answers import Wishes
from samples.serve_ray.errors import ServiceError
from samples.serve_ray.replica import Answer

# Ray's words for "the process that worked on it, or the node with its answer, is gone". A replica
# that is only draining or full never shows here: Serve's router asks the next one by itself.
REPLICA_LOST = (RayActorError, WorkerCrashedError, NodeDiedError, ObjectLostError)

PAUSE_S = 0.05
"""Before another try, times the number of tries: the router hears of a death within that."""


async def ask(
    model: DeploymentHandle,
    encoded: bytes,
    wishes: Wishes,
    *,
    max_tries: int,
    on_retry: Callable[[], None],
) -> tuple[Answer, int]:
    """Ask replicas until one answers. Inference changes nothing, so asking twice is safe.

    Args:
        model: handle of the deployment.
        encoded: content of an image file.
        wishes: what the answer should hold.
        max_tries: bound, because an image that kills its decoder would kill one replica after
            another.
        on_retry: called before every try but the first.

    Returns:
        The answer and the number of tries.

    Raises:
        ServiceError: `replica_lost` after the last try, or `overloaded` where the deployment
            itself has a bounded queue.
    """
    for tries in range(1, max_tries + 1):
        response = model.remote(encoded, wishes)
        try:
            return await response, tries
        except asyncio.CancelledError:
            # Out of time, or the client left: the replica need not go on.
            response.cancel()
            raise
        except REPLICA_LOST as error:
            if tries == max_tries:
                raise ServiceError(
                    "replica_lost",
                    f"{max_tries} replicas died while they worked on this image",
                    "try again; if this image always ends so, tell the operator",
                ) from error
            on_retry()
            await asyncio.sleep(PAUSE_S * tries)
        except BackPressureError as error:
            raise overloaded("the queue of the model is full") from error
    raise AssertionError("the last try returns or raises")


def overloaded(what: str) -> ServiceError:
    """More requests than the service takes at once."""
    return ServiceError("overloaded", what, "try again after the seconds in Retry-After")
