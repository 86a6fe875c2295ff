"""The deployment that speaks HTTP: checks a request, has it answered, counts it."""

# Without `from __future__ import annotations`: Serve wraps these routes anew, and FastAPI then
# finds no names for annotations that are text.

import asyncio
import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, Any

import ray
from fastapi import FastAPI, Query, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from prometheus_client import CONTENT_TYPE_LATEST
from ray import serve
from ray.serve.handle import DeploymentHandle
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect

from samples.serve_ray import dispatch
from samples.serve_ray.answers import Wishes
from samples.serve_ray.errors import STATUS_OF_CODE, ServiceError, internal_error
from samples.serve_ray.image_checks import FORMATS, check_image
from samples.serve_ray.metrics import ServiceMetrics
from samples.serve_ray.page import page
from samples.serve_ray.replica import Answer, Answered, Refused
from samples.serve_ray.request_body import read_image_bytes
from samples.serve_ray.settings import Settings
from samples.serve_ray.uploads import Uploads
from vmamba_deploy.preprocessing import Preprocessing

logger = logging.getLogger("ray.serve")

READY_TIMEOUT_S = 2.0
READY_MEMORY_S = 5.0
"""A service that answered so lately is ready: under full load a probe would wait in the queue."""

# The documentation pages of FastAPI fetch their scripts from the internet.
api = FastAPI(title="VMamba", docs_url=None, redoc_url=None)


def _json(error: ServiceError) -> JSONResponse:
    return JSONResponse(error.body(), error.status, error.headers)


@api.exception_handler(ServiceError)
async def _on_service_error(_request: Request, error: ServiceError) -> JSONResponse:
    return _json(error)


@api.exception_handler(HTTPException)
async def _on_http_error(request: Request, error: HTTPException) -> JSONResponse:
    codes = {STATUS_OF_CODE[code]: code for code in ("not_found", "method_not_allowed")}
    code = codes.get(error.status_code, "malformed_request")
    message = f"{request.method} {request.url.path} is not served here"
    return _json(ServiceError(code, message, "docs/serve_ray.md lists what is"))


@api.exception_handler(RequestValidationError)
async def _on_bad_argument(_request: Request, error: RequestValidationError) -> JSONResponse:
    first = error.errors()[0]
    message = f"{first['loc'][-1]}: {first['msg']}"
    return _json(ServiceError("bad_argument", message, "docs/serve_ray.md lists what may be asked"))


@api.exception_handler(ClientDisconnect)
async def _on_client_closed(_request: Request, _error: ClientDisconnect) -> JSONResponse:
    message = "the connection was closed before the request had ended"
    return _json(ServiceError("malformed_request", message, "send the whole image"))


@api.exception_handler(Exception)
async def _on_bug(_request: Request, _error: Exception) -> JSONResponse:
    return _json(internal_error())


# Serve copies the routes here and now: what they use must stand above.
@serve.deployment(name="Ingress")
@serve.ingress(api)
class Ingress:
    """One replica of the HTTP side.

    Args:
        model: handle of the deployment with it.
        settings: of the application.
        preprocessing: the artefact's, to know how large an image would become.
    """

    def __init__(
        self, model: DeploymentHandle, settings: Settings, preprocessing: Preprocessing
    ) -> None:
        self._model = model
        self._settings = settings
        self._preprocessing = preprocessing
        self._metrics = ServiceMetrics(serve.get_replica_context().replica_id.unique_id)
        self._uploads = Uploads(settings.max_uploads, self._metrics.uploading)
        self._in_flight = 0
        self._last_answer = float("-inf")

    @api.get("/")
    async def page(self) -> Response:
        """The page to drop an image on."""
        content, headers = page()
        return Response(content, headers=headers, media_type="text/html")

    @api.get("/healthz")
    async def healthz(self) -> dict[str, str]:
        """This process is alive."""
        return {"status": "alive"}

    @api.get("/readyz")
    async def readyz(self) -> dict[str, str]:
        """A replica has the model and answers."""
        if time.monotonic() - self._last_answer > READY_MEMORY_S:
            await self._describe()
        return {"status": "ready"}

    @api.get("/v1/model")
    async def model(self) -> dict[str, Any]:
        """What is served, and within which limits."""
        return {
            **await self._describe(),
            "limits": self._settings.limits(),
            "media_types": list(FORMATS.values()),
            "ray_version": ray.__version__,
        }

    @api.get("/metrics")
    async def metrics(self) -> Response:
        """Counts since this process started."""
        return Response(self._metrics.text(), media_type=CONTENT_TYPE_LATEST)

    @api.post("/v1/predict")
    @api.post("/v1/classify")  # the name from when only classifiers were served
    async def predict(self, request: Request, wishes: Annotated[Wishes, Query()]) -> dict[str, Any]:
        """What the model says of the image in the body."""
        started = time.perf_counter()
        outcome = "internal_error"
        try:
            answer, tries = await self._answer(request, wishes)
            body = answer.as_json(tries, total_ms=(time.perf_counter() - started) * 1000)
            outcome = "ok"
            return body
        except ServiceError as error:
            outcome = error.code
            raise
        except (asyncio.CancelledError, ClientDisconnect):
            outcome = "client_closed"
            raise
        except Exception as error:
            logger.exception("a request failed")
            raise internal_error() from error
        finally:
            self._metrics.finished(outcome, time.perf_counter() - started)

    @contextmanager
    def _one_in_flight(self) -> Iterator[None]:
        if self._in_flight >= self._settings.max_in_flight:
            raise dispatch.overloaded(f"{self._in_flight} requests are being worked on")
        self._in_flight += 1
        self._metrics.in_flight(self._in_flight)
        try:
            yield
        finally:
            self._in_flight -= 1
            self._metrics.in_flight(self._in_flight)

    async def _answer(self, request: Request, wishes: Wishes) -> tuple[Answered, int]:
        settings = self._settings
        deadline = asyncio.get_running_loop().time() + settings.timeout_s
        async with self._uploads.one(deadline):
            encoded = await read_image_bytes(request, settings.max_bytes)
        with self._one_in_flight():  # only now: no one holds a place by sending slowly
            check_image(encoded, settings.max_pixels, self._preprocessing)
            answer, tries = await self._dispatch(encoded, wishes, deadline)
        if isinstance(answer, Refused):
            raise ServiceError("unreadable_image", answer.message, answer.hint)
        if answer.share.first_of_batch:
            self._metrics.batch_ran(answer.share.batch_size)
        self._last_answer = time.monotonic()
        return answer, tries

    async def _dispatch(
        self, encoded: bytes, wishes: Wishes, deadline: float
    ) -> tuple[Answer, int]:
        try:
            async with asyncio.timeout_at(deadline):
                return await dispatch.ask(
                    self._model,
                    encoded,
                    wishes,
                    max_tries=self._settings.max_tries,
                    on_retry=self._metrics.retried,
                )
        except TimeoutError as error:
            raise ServiceError(
                "timeout",
                f"no answer within {self._settings.timeout_s:g} s",
                "try again later, more slowly",
            ) from error

    async def _describe(self) -> dict[str, Any]:
        try:
            async with asyncio.timeout(READY_TIMEOUT_S):
                return await self._model.describe.remote()
        except (TimeoutError, *dispatch.REPLICA_LOST) as error:
            message = f"no replica answered within {READY_TIMEOUT_S:g} s"
            raise ServiceError("not_ready", message, "wait until /readyz says ready") from error
