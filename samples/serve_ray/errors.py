"""The errors of the service: stable codes, HTTP statuses, and a body that says what to do."""

from __future__ import annotations

from typing import Any

STATUS_OF_CODE = {
    "malformed_request": 400,
    "not_found": 404,
    "method_not_allowed": 405,
    "upload_timeout": 408,
    "request_too_large": 413,
    "unsupported_media_type": 415,
    "bad_argument": 422,
    "unreadable_image": 422,
    "too_many_pixels": 422,
    "internal_error": 500,
    "overloaded": 503,
    "not_ready": 503,
    "replica_lost": 503,
    "timeout": 504,
}
"""Every code that a body can carry; docs/serve_ray.md explains them."""

RETRY_AFTER_S = {"overloaded": 1, "not_ready": 2, "replica_lost": 1}
"""Codes that pass by themselves, with the seconds a client should wait."""


class ServiceError(Exception):
    """A request that cannot be answered as asked.

    Args:
        code: a key of `STATUS_OF_CODE`.
        message: what was wrong, with the figures.
        hint: what the client can do.
    """

    def __init__(self, code: str, message: str, hint: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.hint = hint

    @property
    def status(self) -> int:
        """The HTTP status."""
        return STATUS_OF_CODE[self.code]

    @property
    def headers(self) -> dict[str, str]:
        """`Retry-After` where trying again makes sense."""
        seconds = RETRY_AFTER_S.get(self.code)
        return {} if seconds is None else {"Retry-After": str(seconds)}

    def body(self) -> dict[str, Any]:
        """What the client reads."""
        return {"error": {"code": self.code, "message": self.message, "hint": self.hint}}


def internal_error() -> ServiceError:
    """A bug: the log has the details, and the client learns nothing about the inside."""
    return ServiceError(
        "internal_error",
        "the service failed to answer this request",
        "try again; if it happens again, tell the operator the time of the request",
    )
