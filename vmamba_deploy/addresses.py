"""Addresses of files elsewhere, as they may be written down."""

from __future__ import annotations

import re

_SECRETS = re.compile(r"(?<=://)[^/@]*@|\?[^#]*")


def without_secrets(text: str) -> str:
    """A text without user, password and query of the address in it; a path as it is.

    A server that lends a file for a time, or to its customers alone, takes the key in the query.
    """
    return _SECRETS.sub("", text) if "://" in text else text
