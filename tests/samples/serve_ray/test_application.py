"""The whole application as a user starts it: one server for this file, with real replicas.

Limits are small, so that the tests reach them soon; the time for a request is not, or a slow
machine would reach it everywhere.
"""

from __future__ import annotations

import asyncio
import http.client
import json
import os
import select
import signal
import socket
import urllib.error
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from samples.serve_ray.image_checks import FORMATS
from samples.serve_ray.load_client import send_all
from samples.serve_ray.load_test import load_with_kill, read_images
from samples.serve_ray.running_server import RunningServer, descendants, running_server
from tests.processes import HANG_S, is_running, wait_until
from tests.samples.serve_ray.images import png_header_only, solid_png
from vmamba_deploy.inference import load

MAX_BYTES = 100_000
MAX_PIXELS = 250_000
MAX_IN_FLIGHT = 8
MAX_UPLOADS = 12
TIMEOUT_S = 20.0
BATCH_WAIT_MS = 60
OPTIONS = (
    f"--replicas 2 --cpus 2 --max-bytes {MAX_BYTES} --max-pixels {MAX_PIXELS} "
    f"--max-in-flight {MAX_IN_FLIGHT} --max-uploads {MAX_UPLOADS} "
    f"--timeout-s {TIMEOUT_S} --batch-wait-ms {BATCH_WAIT_MS}"
)


@dataclass(frozen=True)
class Answer:
    status: int
    headers: dict[str, str]
    text: str

    @property
    def body(self) -> Any:
        return json.loads(self.text)

    @property
    def code(self) -> str:
        error = self.body["error"]
        assert set(error) == {"code", "message", "hint"}
        assert all(error.values())
        assert "Traceback" not in self.text
        return error["code"]


@pytest.fixture(scope="module")
def server(digits_artifact):
    with running_server(digits_artifact(engine=False), OPTIONS.split()) as running:
        yield running


@pytest.fixture
def ask(server):
    """Send one request: `ask(path, data, content_type)`."""

    def send(path: str, data: bytes | None = None, content_type: str | None = None) -> Answer:
        request = urllib.request.Request(server.url + path, data)
        request.add_header("Content-Type", content_type or "application/octet-stream")
        try:
            with urllib.request.urlopen(request, timeout=HANG_S) as answer:
                return Answer(answer.status, dict(answer.headers), answer.read().decode())
        except urllib.error.HTTPError as answer:
            return Answer(answer.code, dict(answer.headers), answer.read().decode())

    return send


@pytest.fixture(scope="module")
def images(digits_folder) -> list[bytes]:
    return read_images(digits_folder)


def metric(ask, name: str, **labels: str) -> float:
    """Sum of a metric's samples that carry these labels."""
    samples = [
        sample
        for family in text_string_to_metric_families(ask("/metrics").text)
        for sample in family.samples
    ]
    return sum(
        sample.value
        for sample in samples
        if sample.name == name and labels.items() <= sample.labels.items()
    )


def test_answers_what_the_python_api_answers(ask, images, digits_artifact):
    chosen = images[::45]
    with load(digits_artifact(engine=False), runtime="ort") as model:
        expected = model.classify(chosen, top_k=3)
    for image, predictions in zip(chosen, expected, strict=True):
        body = ask("/v1/classify?top_k=3", image).body
        assert [best["label"] for best in body["predictions"]] == [p.label for p in predictions]
        assert [best["probability"] for best in body["predictions"]] == pytest.approx(
            [p.probability for p in predictions], abs=1e-5
        )
        assert 0 < body["timing"]["model_ms"] < body["timing"]["total_ms"]


def test_takes_a_form_and_as_many_classes_as_there_are(ask, images):
    form = b'--x\r\nContent-Disposition: form-data; name="image"; filename="a.png"\r\n'
    form += b"Content-Type: image/png\r\n\r\n" + images[0] + b"\r\n--x--\r\n"
    body = ask("/v1/classify?top_k=99", form, "multipart/form-data; boundary=x").body
    assert sorted(best["index"] for best in body["predictions"]) == list(range(10))
    assert sum(best["probability"] for best in body["predictions"]) == pytest.approx(1)


def test_says_what_is_served(ask):
    body = ask("/v1/model").body
    assert body["labels"] == [str(digit) for digit in range(10)]
    assert (body["precision"], body["runtime"]) == ("fp32", "onnxruntime")
    assert body["image_pixels"] == [32, 32]
    assert body["limits"] == {
        "max_bytes": MAX_BYTES,
        "max_pixels": MAX_PIXELS,
        "max_in_flight": MAX_IN_FLIGHT,
        "timeout_s": TIMEOUT_S,
    }
    assert body["media_types"] == list(FORMATS.values())


def test_is_alive_and_ready(ask):
    assert ask("/healthz").body == {"status": "alive"}
    wait_until(lambda: ask("/readyz").body == {"status": "ready"})


@pytest.mark.parametrize(
    ("path", "data", "content_type", "status", "code"),
    [
        ("/v1/classify", b"some text", "text/plain", 415, "unsupported_media_type"),
        ("/v1/classify", b"some text", None, 422, "unreadable_image"),
        ("/v1/classify", b"", None, 422, "unreadable_image"),
        ("/v1/classify", solid_png(40, 40)[:60], None, 422, "unreadable_image"),
        ("/v1/classify", bytes(MAX_BYTES + 1), None, 413, "request_too_large"),
        ("/v1/classify", bytes(12_000_000), None, 413, "request_too_large"),
        ("/v1/classify", png_header_only(501, 500), None, 422, "too_many_pixels"),
        ("/v1/classify", b"no form", "multipart/form-data; boundary=x", 400, "malformed_request"),
        ("/v1/classify?top_k=0", solid_png(8, 8), None, 422, "bad_argument"),
        ("/v1/classify?top_k=many", solid_png(8, 8), None, 422, "bad_argument"),
        ("/v1/classify", None, None, 405, "method_not_allowed"),
        ("/v2/classify", None, None, 404, "not_found"),
    ],
)
def test_refuses_with_a_stable_code(ask, path, data, content_type, status, code):
    answer = ask(path, data, content_type)
    assert (answer.status, answer.code) == (status, code)


def test_refuses_a_huge_request_before_it_is_sent(server):
    host, port = server.url.removeprefix("http://").split(":")
    connection = http.client.HTTPConnection(host, int(port), timeout=HANG_S)
    connection.putrequest("POST", "/v1/classify")
    connection.putheader("Content-Length", str(10**12))
    connection.endheaders()
    answer = connection.getresponse()
    assert answer.status == 413
    assert json.loads(answer.read())["error"]["code"] == "request_too_large"
    connection.close()


def test_gathers_requests_into_batches_and_counts_them(ask, server, images):
    before = [metric(ask, f"vmamba_batch_size_{name}") for name in ("sum", "count")]
    answered = metric(ask, "vmamba_requests_total", outcome="ok")
    tally = asyncio.run(send_all(server.url, images, requests=40, connections=8))
    assert tally.codes == {"ok": 40}
    assert max(tally.batch_sizes) > 1
    images_run = metric(ask, "vmamba_batch_size_sum") - before[0]
    batches_run = metric(ask, "vmamba_batch_size_count") - before[1]
    assert images_run == 40
    assert images_run / batches_run > 1
    assert metric(ask, "vmamba_requests_total", outcome="ok") - answered == 40
    assert metric(ask, "vmamba_request_seconds_bucket", le="+Inf") >= 40
    assert metric(ask, "vmamba_requests_in_flight") == 0


def test_a_client_that_leaves_frees_its_place(ask, server):
    host, port = server.url.removeprefix("http://").split(":")
    left = metric(ask, "vmamba_requests_total", outcome="client_closed")
    with socket.create_connection((host, int(port))) as connection:
        connection.sendall(b"POST /v1/classify HTTP/1.1\r\nHost: a\r\nContent-Length: 99\r\n\r\n")
        wait_until(lambda: metric(ask, "vmamba_uploads") == 1)
    wait_until(lambda: metric(ask, "vmamba_uploads") == 0)
    assert metric(ask, "vmamba_requests_total", outcome="client_closed") == left + 1


@contextmanager
def slow_uploads(server: RunningServer, count: int) -> Iterator[list[http.client.HTTPConnection]]:
    """Connections that have sent the beginning of an image, one after another."""
    host, port = server.url.removeprefix("http://").split(":")
    connections = [http.client.HTTPConnection(host, int(port)) for _ in range(count)]
    for connection in connections:
        connection.putrequest("POST", "/v1/classify")
        connection.putheader("Content-Length", "1000")
        connection.endheaders(b"only the beginning")
    yield connections
    for connection in connections:
        connection.close()


def refusal(connection: http.client.HTTPConnection) -> tuple[int, str]:
    answer = connection.getresponse()
    return answer.status, json.loads(answer.read())["error"]["code"]


def test_slow_uploads_starve_nobody(ask, server, images):
    """Far more than there are places, of either kind: an image that comes at once is answered."""
    with slow_uploads(server, 64) as connections:
        wait_until(lambda: metric(ask, "vmamba_uploads") >= MAX_IN_FLIGHT)
        assert ask("/v1/classify", images[0]).status == 200
        assert metric(ask, "vmamba_requests_in_flight") == 0
        wait_until(lambda: sum(map(has_answer, connections)) >= 64 - MAX_UPLOADS)
        ended = [connection for connection in connections if has_answer(connection)]
        assert {refusal(connection) for connection in ended} == {(408, "upload_timeout")}


def has_answer(connection: http.client.HTTPConnection) -> bool:
    return bool(select.select([connection.sock], [], [], 0)[0])


@pytest.mark.slow
def test_what_lasts_too_long_has_its_code(ask, server, images):
    """All at once, to wait for the time limit once: images while no replica moves, an upload that
    never ends, and one request more than there is room for."""
    with (
        standing_still(server.model_pids()),
        slow_uploads(server, 1) as (stalled,),
        ThreadPoolExecutor(MAX_IN_FLIGHT) as pool,
    ):
        slow = [pool.submit(ask, "/v1/classify", images[0]) for _ in range(MAX_IN_FLIGHT)]
        wait_until(lambda: metric(ask, "vmamba_requests_in_flight") == MAX_IN_FLIGHT)
        full = ask("/v1/classify", images[0])
        assert (full.status, full.code) == (503, "overloaded")
        assert int(full.headers["retry-after"]) >= 1
        assert refusal(stalled) == (408, "upload_timeout")
        answers = [one.result() for one in slow]
        assert {(one.status, one.code) for one in answers} == {(504, "timeout")}
        wait_until(lambda: ask("/readyz").status == 503)
        assert ask("/readyz").code == "not_ready"
        assert ask("/healthz").status == 200
    wait_until(lambda: ask("/readyz").status == 200)
    assert ask("/v1/classify", images[0]).status == 200


@contextmanager
def standing_still(replicas: list[int]) -> Iterator[None]:
    """Both replicas, stopped for the duration of the block."""
    assert len(replicas) == 2
    for pid in replicas:
        os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for pid in replicas:
            with suppress(ProcessLookupError):  # Serve replaces what is still for too long
                os.kill(pid, signal.SIGCONT)


@pytest.mark.slow
def test_loses_no_request_while_a_replica_is_killed(server, images):
    """What samples/serve_ray/load_test.py does, with fewer requests."""
    tally, killed = load_with_kill(server, images, requests=300, connections=MAX_IN_FLIGHT - 1)
    assert tally.codes == {"ok": 300}
    assert killed["pid"] is not None
    assert (killed["replicas_before"], killed["replicas_after"]) == (2, 2)


def test_the_page_shows_the_digit_and_the_error(server, digits_folder, tmp_path):
    chromium = pytest.importorskip("tests.chromium")
    if chromium.MISSING:
        pytest.skip(chromium.MISSING)
    served_page = pytest.importorskip("tests.samples.serve_ray.served_page")
    three, eight = (sorted((digits_folder / digit).iterdir())[0] for digit in "38")
    text = tmp_path / "notes.txt"
    text.write_text("no image at all")
    large = tmp_path / "large.png"
    large.write_bytes(three.read_bytes() + bytes(MAX_BYTES))
    with served_page.open_page(f"{server.url}/", tmp_path / "profile") as page:
        page.wait_for_text("model", "10 classes")
        page.choose(three)
        assert page.texts("#predictions .label")[0] == "3"
        assert len(page.texts("#predictions .label")) == 5
        page.drop(eight, "image/png")
        assert page.texts("#predictions .label")[0] == "8"
        assert page.texts("#error") == []
        page.choose(large)
        assert page.texts("#message") == [f"The image has more than {MAX_BYTES:,} bytes."]
        page.drop(text, "text/plain")
        assert "text/plain is not taken" in page.texts("#message")[0].lower()
        assert page.texts("#predictions .label") == []
        assert page.complaints() == []


def test_nothing_is_left_when_it_stops(digits_artifact, server: RunningServer):
    """The last test: what this server started ends with it."""
    started = descendants(server.pid)
    assert len(started) > 3
    os.kill(server.pid, signal.SIGTERM)
    wait_until(lambda: not any(is_running(pid) for pid in (server.pid, *started)))
