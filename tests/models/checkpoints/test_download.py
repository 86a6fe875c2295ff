from __future__ import annotations

import hashlib
import io
import urllib.error
import urllib.request
import urllib.response
from collections.abc import Iterator
from dataclasses import dataclass, field
from email.message import Message
from pathlib import Path
from typing import Any

import pytest

import vmamba_deploy.models.checkpoints.download as download_module
from vmamba_deploy.errors import InputFileError, ResourceError, UsageError
from vmamba_deploy.models import load_weights
from vmamba_deploy.models.checkpoints.download import cache_folder, download, is_url

URL = "https://weights.example/%23v2cls/vssm.pth"


@dataclass
class FakeServer(urllib.request.BaseHandler):
    """Answers https requests in place of the network."""

    body: bytes = b""
    announced_bytes: int | None = None
    redirect_to: str | None = None
    failure: Exception | None = None
    requests: list[str] = field(default_factory=list)

    handler_order = 100

    def https_open(self, request: urllib.request.Request) -> Any:
        self.requests.append(request.full_url)
        if self.failure is not None:
            raise self.failure
        headers = Message()
        if self.redirect_to is not None:
            headers["Location"] = self.redirect_to
            reply = urllib.response.addinfourl(io.BytesIO(), headers, request.full_url, 302)
            reply.msg = "Found"  # type: ignore[attr-defined]
            return reply
        size = len(self.body) if self.announced_bytes is None else self.announced_bytes
        headers["Content-Length"] = str(size)
        reply = urllib.response.addinfourl(io.BytesIO(self.body), headers, request.full_url, 200)
        reply.msg = "OK"  # type: ignore[attr-defined]
        return reply


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeServer]:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    fake = FakeServer(body=b"\x80weights" * 100_000)
    opener = download_module._HttpsOnlyRedirects
    monkeypatch.setattr(
        download_module, "_default_opener", lambda: urllib.request.build_opener(fake, opener())
    )
    return fake


def leftovers() -> list[Path]:
    return list(cache_folder().iterdir()) if cache_folder().exists() else []


def test_fetched_once_with_progress(server: FakeServer) -> None:
    steps: list[tuple[int, int | None]] = []
    path = download(URL, progress=lambda done, total: steps.append((done, total)))
    assert path.read_bytes() == server.body
    assert path.name.endswith("-vssm.pth")
    assert len(steps) > 1
    assert steps[-1] == (len(server.body), len(server.body))
    assert download(URL) == path
    assert len(server.requests) == 1
    assert leftovers() == [path]


def test_checksum(server: FakeServer) -> None:
    right = hashlib.sha256(server.body).hexdigest()
    with pytest.raises(InputFileError, match="sha256"):
        download(f"{URL}#sha256={'0' * 64}")
    assert leftovers() == []
    assert download(f"{URL}#sha256={right.upper()}").read_bytes() == server.body


def test_a_changed_cache_file_is_fetched_again(server: FakeServer) -> None:
    url = f"{URL}#sha256={hashlib.sha256(server.body).hexdigest()}"
    download(url).write_bytes(b"changed")
    assert download(url).read_bytes() == server.body
    assert len(server.requests) == 2


def test_a_changed_cache_file_does_not_stay(server: FakeServer) -> None:
    path = download(URL)
    path.write_bytes(b"changed")
    server.failure = TimeoutError("timed out")
    with pytest.raises(InputFileError, match="cannot be fetched"):
        download(f"{URL}#sha256={hashlib.sha256(server.body).hexdigest()}")
    assert leftovers() == []


def test_a_name_longer_than_file_systems_take(server: FakeServer) -> None:
    name = "b" * 300 + "a" * 76 + ".pth"
    assert download(f"https://weights.example/{name}").name[16:] == f"-{name[-80:]}"


def test_too_few_bytes(server: FakeServer) -> None:
    server.announced_bytes = len(server.body) + 1
    with pytest.raises(InputFileError, match="bytes"):
        download(URL)
    assert leftovers() == []


def test_too_many_bytes(server: FakeServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(download_module, "MAX_FILE_BYTES", len(server.body))
    download(URL).unlink()
    monkeypatch.setattr(download_module, "MAX_FILE_BYTES", len(server.body) - 1)
    with pytest.raises(InputFileError, match="larger"):
        download(URL)


def test_a_page_is_not_kept(server: FakeServer) -> None:
    server.body = b"<!DOCTYPE html><title>Quota exceeded</title>"
    with pytest.raises(InputFileError, match=r"weights\.example.*HTML page.*Quota exceeded"):
        download(URL)
    assert leftovers() == []


@pytest.mark.parametrize("target", ["http://weights.example/a", "ftp://weights.example/a"])
def test_no_redirect_away_from_https(server: FakeServer, target: str) -> None:
    server.redirect_to = target
    with pytest.raises(InputFileError, match="cannot be fetched"):
        download(URL)
    assert leftovers() == []


@pytest.mark.parametrize(
    "failure",
    [
        urllib.error.URLError("no route"),
        TimeoutError("timed out"),
        ConnectionResetError("reset by peer"),
        urllib.error.HTTPError(URL, 404, "Not Found", Message(), None),
    ],
    ids=["unreachable", "timeout", "reset", "404"],
)
def test_network_trouble(server: FakeServer, failure: Exception) -> None:
    server.failure = failure
    with pytest.raises(InputFileError, match="cannot be fetched") as error:
        download(URL)
    assert error.value.hint


@pytest.mark.parametrize(
    "url",
    [
        "http://weights.example/a.pth",
        "file:///etc/passwd",
        "https:///a.pth",
        "https://user:secret@weights.example/a.pth",
        f"{URL}#md5=123",
    ],
)
def test_only_https(server: FakeServer, url: str) -> None:
    assert is_url(url)
    with pytest.raises(UsageError) as error:
        load_weights(url)
    assert "secret" not in f"{error.value.message}{error.value.hint}"
    assert server.requests == []


def test_cache_that_cannot_be_written(
    server: FakeServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("not a folder")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    with pytest.raises(ResourceError, match="cannot be written"):
        download(URL)


def test_full_disk(server: FakeServer, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: Any) -> str:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(download_module, "_copy", fail)
    with pytest.raises(ResourceError, match="No space left"):
        download(URL)
    assert leftovers() == []


def test_weights_from_an_address(server: FakeServer, s2_path: Path) -> None:
    server.body = s2_path.read_bytes()
    digest = hashlib.sha256(server.body).hexdigest()
    loaded = load_weights(f"{URL}?token=of-mine#sha256={digest}")
    assert loaded.source == URL
    assert loaded.sha256 == digest
    assert loaded.model.config.num_classes == 10


@pytest.mark.parametrize("spec", ["random", "weights.pth", "/a/b.pth", "C:\\weights.pth"])
def test_what_is_no_url(spec: str) -> None:
    assert not is_url(spec)
