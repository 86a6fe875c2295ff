"""The image in a request, raw or as a form, read no further than the limit allows."""

from __future__ import annotations

from collections.abc import AsyncGenerator

from ray.exceptions import TaskCancelledError
from starlette.datastructures import Headers, UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import ClientDisconnect, Request

from samples.serve_ray.errors import ServiceError
from samples.serve_ray.image_checks import FORMATS

FORM = "multipart/form-data"
# What says nothing about the content; the last is what `curl --data-binary` claims.
UNTYPED = frozenset({"", "application/octet-stream", "application/x-www-form-urlencoded"})
IMAGE_TYPES = frozenset(FORMATS.values()) | {"image/jpg"}

FORM_BYTES = 16 * 1024
"""Room for the headers of a form around the image."""

DISCARDED_BYTES = 16 * 2**20
"""Read and thrown away beyond the limit: who still sends would not hear the answer."""


async def read_image_bytes(request: Request, max_bytes: int) -> bytes:
    """The encoded image that a request carries.

    Args:
        request: with the image as its body, or as the only file of a form.
        max_bytes: of the image.

    Raises:
        ServiceError: `unsupported_media_type`, `request_too_large`, `malformed_request`, or
            `unreadable_image` where the body is empty.
        ClientDisconnect: the client has left.
    """
    media_type = _media_type(request.headers.get("content-type"))
    is_form = media_type == FORM
    if not is_form:
        _check_media_type(media_type)
    body = await _read_body(request, max_bytes, FORM_BYTES if is_form else 0)
    if is_form:
        body = await _only_file(request.headers, body)
    if len(body) > max_bytes:
        raise _too_large(max_bytes)
    if not body:
        raise ServiceError("unreadable_image", "the request is empty", "send an image as the body")
    return body


def _media_type(header: str | None) -> str:
    return (header or "").partition(";")[0].strip().lower()


def _check_media_type(media_type: str) -> None:
    if media_type not in UNTYPED and media_type not in IMAGE_TYPES:
        raise ServiceError(
            "unsupported_media_type",
            f"{media_type} is not taken",
            f"send {', '.join(sorted(FORMATS.values()))}, application/octet-stream or a form",
        )


async def _read_body(request: Request, max_bytes: int, envelope_bytes: int) -> bytes:
    kept = max_bytes + envelope_bytes
    declared = request.headers.get("content-length", "")
    if declared.isdigit() and int(declared) > kept + DISCARDED_BYTES:
        raise _too_large(max_bytes)
    body = bytearray()
    received = 0
    try:
        async for chunk in request.stream():
            received += len(chunk)
            if received <= kept:
                body += chunk
            elif received > kept + DISCARDED_BYTES:
                break
    except TaskCancelledError as error:  # Serve stops fetching what a client that left would send
        raise ClientDisconnect from error
    if received > kept:
        raise _too_large(max_bytes)
    return bytes(body)


async def _only_file(headers: Headers, body: bytes) -> bytes:
    async def stream() -> AsyncGenerator[bytes, None]:
        yield body

    try:
        form = await MultiPartParser(headers, stream(), max_files=1, max_fields=8).parse()
    except (MultiPartException, KeyError) as error:
        raise _malformed("the form cannot be read, or has several files") from error
    try:
        files = [value for _, value in form.multi_items() if isinstance(value, UploadFile)]
        if len(files) != 1:
            raise _malformed("the form has no file")
        _check_media_type(_media_type(files[0].content_type))
        return await files[0].read()
    finally:
        await form.close()


def _malformed(what: str) -> ServiceError:
    return ServiceError("malformed_request", what, "send one file, as in curl -F image=@FILE")


def _too_large(max_bytes: int) -> ServiceError:
    return ServiceError(
        "request_too_large",
        f"the image has more than {max_bytes:,} bytes",
        "send a smaller image, or one that is compressed more",
    )
