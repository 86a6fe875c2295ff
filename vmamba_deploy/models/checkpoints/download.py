"""Fetching a checkpoint over https, once."""

from __future__ import annotations

import hashlib
import http.client
import os
import re
import tempfile
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable
from email.message import Message
from pathlib import Path
from typing import IO, BinaryIO

from vmamba_deploy.errors import InputFileError, ResourceError, UsageError
from vmamba_deploy.files import file_sha256
from vmamba_deploy.models.checkpoints.limits import MAX_FILE_BYTES
from vmamba_deploy.models.checkpoints.other_files import START_BYTES, refuse_other_file

Progress = Callable[[int, int | None], None]

TIMEOUT_SECONDS = 30
_WHAT = "a checkpoint"
_BLOCK_BYTES = 1 << 18
_SHA256_FRAGMENT = re.compile(r"sha256=([0-9a-fA-F]{64})")
_SCHEME = re.compile(r"^[A-Za-z][A-Za-z0-9+.-]*://")


class _HttpsOnlyRedirects(urllib.request.HTTPRedirectHandler):
    def redirect_request(
        self,
        req: urllib.request.Request,
        fp: IO[bytes],
        code: int,
        msg: str,
        headers: Message,
        newurl: str,
    ) -> urllib.request.Request | None:
        if urllib.parse.urlsplit(newurl).scheme != "https":
            raise urllib.error.URLError("the server redirects to an address that is not https")
        return super().redirect_request(req, fp, code, msg, headers, newurl)  # type: ignore[arg-type]


def is_url(spec: str) -> bool:
    """Tell a URL, of any scheme, from a path."""
    return _SCHEME.match(spec) is not None


def cache_folder() -> Path:
    """Return the folder of downloaded checkpoints: $XDG_CACHE_HOME/vmamba_deploy."""
    root = os.environ.get("XDG_CACHE_HOME")
    base = Path(root) if root else Path.home() / ".cache"
    return base / "vmamba_deploy"


def download(
    url: str,
    *,
    progress: Progress | None = None,
    opener: urllib.request.OpenerDirector | None = None,
) -> Path:
    """Return the local copy of a file, fetching it if the cache does not have it.

    Args:
        url: https only, redirects included. A fragment `#sha256=<64 hex digits>` is checked.
        progress: called with the bytes received so far and the total, None if unknown.
        opener: what opens the URL; by default one that follows redirects to https alone.

    Raises:
        UsageError: not an https URL, or a fragment that is no sha256.
        InputFileError: the server cannot be reached, sends too little, another file, or what is no
            checkpoint: a page that would stand in the file's place from then on.
        ResourceError: the cache folder cannot be written, or the disk is full.
    """
    address, wanted_sha256 = _split(url)
    target = cache_folder() / _cache_name(address)
    if target.is_file():
        if wanted_sha256 is None or file_sha256(target, what=_WHAT) == wanted_sha256:
            return target
        target.unlink()
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(prefix=".download-", dir=target.parent)
    except OSError as error:
        raise ResourceError(
            f"{target.parent} cannot be written: {error.strerror or error}.",
            hint="Set XDG_CACHE_HOME to a folder that can be.",
        ) from error
    partial = Path(temporary)
    try:
        with os.fdopen(handle, "wb") as file:
            received = _fetch(address, file, opener or _default_opener(), progress)
        if wanted_sha256 is not None and received != wanted_sha256:
            raise InputFileError(
                f"{address} has sha256 {received}, expected {wanted_sha256}; it was not kept."
            )
        with partial.open("rb") as file:
            refuse_other_file(address, file.read(START_BYTES))
        partial.replace(target)
    finally:
        partial.unlink(missing_ok=True)
    return target


def _split(url: str) -> tuple[str, str | None]:
    """Return the address without fragment, and the sha256 that the fragment names.

    Raises:
        UsageError: see `download`.
    """
    parts = urllib.parse.urlsplit(url)
    if parts.scheme != "https" or not parts.hostname or parts.username is not None:
        raise UsageError(
            "Weights are fetched over https only, from an address without user name.",
            hint="Example: https://host/file.pth#sha256=<64 hex digits>",
        )
    address = urllib.parse.urlunsplit(parts._replace(fragment=""))
    if not parts.fragment:
        return address, None
    match = _SHA256_FRAGMENT.fullmatch(parts.fragment)
    if match is None:
        raise UsageError(
            f"'#{parts.fragment}' is not a checksum; expected #sha256= and 64 hex digits.",
            hint="A '#' that belongs to the address is written %23.",
        )
    return address, match.group(1).lower()


def _cache_name(address: str) -> str:
    name = Path(urllib.parse.unquote(urllib.parse.urlsplit(address).path)).name
    readable = re.sub(r"[^\w.-]", "_", name)[-80:] or "checkpoint"
    return f"{hashlib.sha256(address.encode()).hexdigest()[:16]}-{readable}"


def _default_opener() -> urllib.request.OpenerDirector:
    return urllib.request.build_opener(_HttpsOnlyRedirects())


def _fetch(
    address: str,
    file: BinaryIO,
    opener: urllib.request.OpenerDirector,
    progress: Progress | None,
) -> str:
    """Write the file behind an address and return its sha256.

    Raises:
        InputFileError, ResourceError: see `download`.
    """
    try:
        with opener.open(address, timeout=TIMEOUT_SECONDS) as response:
            length = response.headers.get("Content-Length", "")
            total = int(length) if length.isdecimal() else None
            return _copy(response, file, total, progress)
    except (
        urllib.error.URLError,
        http.client.HTTPException,
        ConnectionError,
        TimeoutError,
    ) as error:
        reason = getattr(error, "reason", None) or str(error) or type(error).__name__
        raise InputFileError(
            f"{address} cannot be fetched: {reason}.",
            hint="Fetch the file by other means and give its path, or use random weights.",
        ) from error
    except OSError as error:
        raise ResourceError(
            f"{address} cannot be stored in {cache_folder()}: {error.strerror or error}.",
            hint="Free some space, or set XDG_CACHE_HOME to another folder.",
        ) from error


def _copy(response: IO[bytes], file: BinaryIO, total: int | None, progress: Progress | None) -> str:
    digest, received = hashlib.sha256(), 0
    while block := response.read(_BLOCK_BYTES):
        file.write(block)
        digest.update(block)
        received += len(block)
        if received > MAX_FILE_BYTES:
            raise urllib.error.URLError(f"it is larger than {MAX_FILE_BYTES >> 30} GiB")
        if progress is not None:
            progress(received, total)
    if total is not None and received != total:
        raise urllib.error.URLError(f"the server sent {received} of {total} bytes")
    return digest.hexdigest()
