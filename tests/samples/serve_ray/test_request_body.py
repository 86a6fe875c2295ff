"""Bodies as Starlette hands them over: in pieces, with headers that may not be true."""

from __future__ import annotations

import asyncio

import pytest
from starlette.requests import Request

from samples.serve_ray.errors import ServiceError
from samples.serve_ray.request_body import DISCARDED_BYTES, read_image_bytes

FORM = "multipart/form-data; boundary=edge"


def request(pieces: list[bytes], content_type: str | None = None, length: int | None = None):
    """A request whose body comes in these pieces; `taken` counts those that were read."""
    headers = [(b"content-type", content_type.encode())] if content_type else []
    if length is not None:
        headers.append((b"content-length", str(length).encode()))
    taken = []

    async def receive():
        taken.append(len(taken))
        more = len(taken) < len(pieces)
        return {"type": "http.request", "body": pieces[len(taken) - 1], "more_body": more}

    made = Request({"type": "http", "method": "POST", "headers": headers}, receive)
    return made, taken


def read(pieces: list[bytes], content_type: str | None = None, *, max_bytes: int = 100) -> bytes:
    return asyncio.run(read_image_bytes(request(pieces, content_type)[0], max_bytes))


def refusal(*arguments, **options) -> str:
    with pytest.raises(ServiceError) as caught:
        read(*arguments, **options)
    return caught.value.code


def part(name: str, content: bytes, filename: str = "", content_type: str = "image/png") -> bytes:
    file = f'; filename="{filename}"\r\nContent-Type: {content_type}' if filename else ""
    head = f'--edge\r\nContent-Disposition: form-data; name="{name}"{file}\r\n\r\n'
    return head.encode() + content + b"\r\n"


END = b"--edge--\r\n"


def test_joins_the_pieces_of_a_raw_body():
    assert read([b"ab", b"", b"cd"]) == b"abcd"


@pytest.mark.parametrize(
    "content_type",
    ["image/png", "IMAGE/JPEG", "image/webp; q=1", "application/octet-stream",
     "application/x-www-form-urlencoded", None],
)  # fmt: skip
def test_takes_images_and_what_says_nothing(content_type):
    assert read([b"ab"], content_type) == b"ab"


@pytest.mark.parametrize("content_type", ["text/plain", "image/svg+xml", "application/json"])
def test_refuses_other_types_unread(content_type):
    made, taken = request([b"ab"], content_type)
    with pytest.raises(ServiceError, match=content_type.replace("+", ".")) as caught:
        asyncio.run(read_image_bytes(made, 100))
    assert caught.value.status == 415
    assert taken == []


def test_the_limit_itself_is_taken_and_one_byte_more_is_not():
    assert len(read([bytes(60), bytes(40)])) == 100
    assert refusal([bytes(60), bytes(41)]) == "request_too_large"


def test_reads_and_forgets_what_a_client_still_sends():
    made, taken = request([bytes(2**20)] * 10)
    with pytest.raises(ServiceError, match="100 bytes"):
        asyncio.run(read_image_bytes(made, 100))
    assert len(taken) == 10


def test_stops_reading_a_body_without_end():
    pieces = [bytes(2**20)] * 1000
    made, taken = request(pieces)
    with pytest.raises(ServiceError, match="100 bytes"):
        asyncio.run(read_image_bytes(made, 100))
    assert len(taken) <= DISCARDED_BYTES / 2**20 + 1


def test_a_declared_length_far_beyond_is_refused_unread():
    made, taken = request([b"ab"], length=10**12)
    with pytest.raises(ServiceError, match="100 bytes"):
        asyncio.run(read_image_bytes(made, 100))
    assert taken == []


def test_an_empty_body_is_no_image():
    assert refusal([b""]) == "unreadable_image"


def test_takes_the_file_of_a_form_beside_other_fields():
    body = part("note", b"hello") + part("any", b"pixels", "a.png") + END
    assert read([body[:30], body[30:]], FORM) == b"pixels"


def test_a_form_has_room_around_an_image_at_the_limit():
    assert len(read([part("image", bytes(100), "a.png") + END], FORM)) == 100
    body = part("image", bytes(101), "a.png") + END
    assert refusal([body], FORM) == "request_too_large"
    assert refusal([part("image", bytes(20_000), "a.png") + END], FORM) == "request_too_large"


@pytest.mark.parametrize(
    "body",
    [
        b"no form",
        END,
        part("image", b"text alone") + END,
        part("a", b"1", "a.png") + part("b", b"2", "b.png") + END,
    ],
)
def test_refuses_a_form_without_exactly_one_file(body):
    assert refusal([body], FORM) == "malformed_request"


def test_refuses_a_form_without_a_boundary():
    assert refusal([END], "multipart/form-data") == "malformed_request"


def test_refuses_a_file_in_a_form_that_is_no_image():
    body = part("image", b"text", "a.txt", "text/plain") + END
    assert refusal([body], FORM) == "unsupported_media_type"
