"""Which failures are tried again, how often, and what the client hears in the end."""

from __future__ import annotations

import asyncio

import pytest
from ray.exceptions import ActorDiedError, ActorUnavailableError, WorkerCrashedError
from ray.serve.exceptions import BackPressureError

from samples.serve_ray import dispatch
from samples.serve_ray.answers import Wishes
from samples.serve_ray.errors import ServiceError
from samples.serve_ray.replica import Refused

WISHES = Wishes(top_k=3)
ANSWER = Refused("no image", "send one")


class Response:
    """What a handle returns: to be awaited, or cancelled."""

    def __init__(self, outcome) -> None:
        self._outcome = outcome
        self.cancelled = False

    def cancel(self) -> None:
        self.cancelled = True

    def __await__(self):
        return self._end().__await__()

    async def _end(self):
        if self._outcome is None:
            await asyncio.sleep(60)
        if isinstance(self._outcome, Exception):
            raise self._outcome
        return self._outcome


class Handle:
    """A handle whose calls end as listed, one after another; None never ends."""

    def __init__(self, *outcomes) -> None:
        self._outcomes = list(outcomes)
        self.responses: list[Response] = []

    def remote(self, encoded: bytes, wishes: Wishes) -> Response:
        assert (encoded, wishes) == (b"image", WISHES)
        self.responses.append(Response(self._outcomes.pop(0)))
        return self.responses[-1]


def ask(handle: Handle, max_tries: int = 3):
    retries: list[None] = []
    call = dispatch.ask(
        handle, b"image", WISHES, max_tries=max_tries, on_retry=lambda: retries.append(None)
    )
    answer, tries = asyncio.run(call)
    assert len(retries) == tries - 1
    return answer, tries


def test_one_try_where_nothing_fails():
    assert ask(Handle(ANSWER)) == (ANSWER, 1)


@pytest.mark.parametrize(
    "lost", [ActorDiedError(), ActorUnavailableError("gone", None), WorkerCrashedError()]
)
def test_a_lost_replica_is_replaced_by_another(lost):
    assert ask(Handle(lost, lost, ANSWER)) == (ANSWER, 3)


def test_gives_up_after_the_last_try():
    handle = Handle(ActorDiedError(), ActorDiedError(), ANSWER)
    with pytest.raises(ServiceError) as caught:
        ask(handle, max_tries=2)
    assert (caught.value.code, caught.value.status) == ("replica_lost", 503)
    assert "Retry-After" in caught.value.headers
    assert len(handle.responses) == 2


def test_a_bug_in_the_model_is_not_tried_again():
    handle = Handle(ValueError("bug"), ANSWER)
    with pytest.raises(ValueError, match="bug"):
        ask(handle)
    assert len(handle.responses) == 1


def test_a_full_queue_is_said_and_not_tried_again():
    handle = Handle(BackPressureError(num_queued_requests=9, max_queued_requests=8), ANSWER)
    with pytest.raises(ServiceError) as caught:
        ask(handle)
    assert caught.value.code == "overloaded"
    assert len(handle.responses) == 1


def test_who_waits_no_longer_cancels_the_replicas_work():
    handle = Handle(None)

    async def impatient():
        async with asyncio.timeout(0.05):
            await dispatch.ask(handle, b"image", WISHES, max_tries=3, on_retry=lambda: None)

    with pytest.raises(TimeoutError):
        asyncio.run(impatient())
    assert handle.responses[0].cancelled
