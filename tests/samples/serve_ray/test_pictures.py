"""Segmentation and detection as a user starts them: a server for each, of one replica."""

from __future__ import annotations

import io
import json
import urllib.request
from concurrent.futures import ThreadPoolExecutor

import pytest
from PIL import Image

from samples.serve_ray.running_server import running_server
from tests.inference.dense_folders import NAMES, noise
from tests.processes import HANG_S
from tests.toy_dense import write_folder
from vmamba_deploy.inference import load

OPTIONS = ["--cpus", "1", "--batch-wait-ms", "300", "--timeout-s", "60"]


@pytest.fixture(scope="module", params=["segmentation", "detection"])
def served(request, tmp_path_factory):
    """(task, artefact folder, URL)."""
    folder = write_folder(tmp_path_factory.mktemp("served") / request.param, request.param)
    with running_server(folder, OPTIONS) as server:
        yield request.param, folder, server.url


def png(height: int, width: int) -> bytes:
    file = io.BytesIO()
    Image.fromarray(noise(height, width)).save(file, "PNG")
    return file.getvalue()


def ask(url: str, data: bytes | None = None):
    request = urllib.request.Request(url, data, {"Content-Type": "application/octet-stream"})
    with urllib.request.urlopen(request, timeout=HANG_S) as answer:
        return json.loads(answer.read())


def expected(task: str, folder, images: list[bytes]):
    """Per image what the Python API finds: (class, share or score)."""
    with load(folder, runtime="ort", threads=1) as model:
        if task == "segmentation":
            results = [result.classes()[:3] for result in model.segment(images)]
            return [[(one.name, one.share) for one in result] for result in results]
        results = model.detect(images, score_threshold=0.5)
        return [[(one.name, one.score) for one in result] for result in results]


@pytest.mark.slow
def test_answers_what_the_python_api_answers_in_batches_of_one_frame(served):
    task, folder, url = served
    images = [png(*size) for size in ((48, 64), (64, 48), (48, 64), (64, 48))]
    where = f"{url}/v1/predict?top_k=3&score_threshold=0.5&overlay=true"
    with ThreadPoolExecutor(len(images)) as pool:
        bodies = list(pool.map(lambda image: ask(where, image), images))
    field, share = ("classes", "share") if task == "segmentation" else ("detections", "score")
    for body, wanted in zip(bodies, expected(task, folder, images), strict=True):
        assert [one["name"] for one in body[field]] == [name for name, _ in wanted]
        shares = [one[share] for one in body[field]]
        assert shares == pytest.approx([each for _, each in wanted], abs=1e-5)
        assert body["overlay"].startswith("data:image/png;base64,")
        assert 1 <= body["batch_size"] <= 2  # never across frames
    model = ask(f"{url}/v1/model")
    assert (model["task"], model["labels"]) == (task, NAMES)


@pytest.mark.slow
def test_the_page_shows_what_was_found_on_the_picture(served, tmp_path):
    chromium = pytest.importorskip("tests.chromium")
    if chromium.MISSING:
        pytest.skip(chromium.MISSING)
    served_page = pytest.importorskip("tests.samples.serve_ray.served_page")
    task, folder, url = served
    picture = tmp_path / "picture.png"
    picture.write_bytes(png(120, 160))
    (wanted,) = expected(task, folder, [picture.read_bytes()])
    with served_page.open_page(f"{url}/", tmp_path / "profile") as page:
        page.wait_for_text("model", task)
        page.choose(picture)
        assert page.texts("#predictions .label")[: len(wanted)] == [name for name, _ in wanted]
        assert page.texts("#heading") == [
            "Largest classes" if task == "segmentation" else "What was found"
        ]
        shown = "const it = document.getElementById('picture');"
        page.wait_until(f"{shown} return it.complete && it.naturalWidth === 160;")
        source = page.browser.execute_script(f"{shown} return it.src;")
        assert source.startswith("data:image/png;base64,")
        assert page.complaints() == []
