"""A real Triton Inference Server on loopback, over a package for its Python back end."""

import json
import urllib.error
import urllib.request
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from PIL import Image

from samples.triton.serve_python_backend import serving, tritonserver_folder
from tests.processes import HANG_S
from vmamba_deploy.errors import EnvironmentProblem
from vmamba_deploy.inference import load
from vmamba_deploy.serving.triton.package import package_for_triton
from vmamba_deploy.serving.triton.plan import TritonPlan

grpc = pytest.importorskip("tritonclient.grpc")
http = pytest.importorskip("tritonclient.http")
from tritonclient.utils import InferenceServerException  # noqa: E402

MAX_BATCH, QUEUE_DELAY_US = 16, 200_000


@pytest.fixture(scope="module")
def server(digits, tmp_path_factory):
    try:
        tritonserver_folder()
    except EnvironmentProblem as problem:
        pytest.skip(f"{problem.message} {problem.hint or ''}")
    folder = tmp_path_factory.mktemp("triton")
    plan = TritonPlan(
        digits,
        folder / "repository",
        backend="python",
        device="cpu",
        max_batch=MAX_BATCH,
        max_queue_delay_us=QUEUE_DELAY_US,
    )
    package_for_triton(plan)
    with serving(plan.repository, folder / "server.log") as running:
        yield running
    assert running.process.poll() is not None
    with pytest.raises(urllib.error.URLError):
        urllib.request.urlopen(f"http://{running.http}/v2/health/live", timeout=HANG_S)


@pytest.fixture
def client(server):
    with http.InferenceServerClient(server.http, concurrency=8) as opened:
        yield opened


@pytest.fixture(scope="module")
def model(digits):
    with load(digits, runtime="ort") as opened:
        yield opened


@pytest.fixture(scope="module")
def images(digits_folder):
    """(label, file) of an image of every class."""
    folders = [digits_folder / str(digit) for digit in range(10)]
    return [(folder.name, min(folder.glob("*.png"))) for folder in folders]


def random_pixels(count, seed=0):
    return np.random.default_rng(seed).standard_normal((count, 3, 32, 32), dtype=np.float32)


def tensor(module, name, array, kind):
    given = module.InferInput(name, list(array.shape), kind)
    given.set_data_from_numpy(array)
    return given


def image_input(*contents, module=http):
    return tensor(module, "image", np.array([[one] for one in contents], dtype=object), "BYTES")


def test_live_ready_and_metadata(client):
    assert client.is_server_live()
    assert client.is_server_ready()
    for name in ("vmamba", "vmamba_preprocess", "vmamba_top5", "vmamba_images"):
        assert client.is_model_ready(name)
    metadata = client.get_model_metadata("vmamba")
    assert metadata["platform"] == "python"
    assert metadata["inputs"] == [
        {"name": "pixel_values", "datatype": "FP32", "shape": [-1, 3, 32, 32]}
    ]
    assert metadata["outputs"] == [{"name": "logits", "datatype": "FP32", "shape": [-1, 10]}]
    config = client.get_model_config("vmamba")
    assert config["max_batch_size"] == MAX_BATCH
    assert config["dynamic_batching"]["max_queue_delay_microseconds"] == QUEUE_DELAY_US
    assert len(config["model_warmup"]) == 2


@pytest.mark.parametrize("count", [1, 3, MAX_BATCH])
def test_logits_are_those_of_the_inference_api(client, server, model, count):
    pixels = random_pixels(count, seed=count)
    expected = model(pixels)
    answer = client.infer("vmamba", [tensor(http, "pixel_values", pixels, "FP32")])
    np.testing.assert_allclose(answer.as_numpy("logits"), expected, rtol=0, atol=1e-6)
    with grpc.InferenceServerClient(server.grpc) as by_grpc:
        answer = by_grpc.infer("vmamba", [tensor(grpc, "pixel_values", pixels, "FP32")])
    np.testing.assert_allclose(answer.as_numpy("logits"), expected, rtol=0, atol=1e-6)


def test_concurrent_requests_are_batched(client, server, model):
    before = client.get_inference_statistics("vmamba")["model_stats"][0]
    pixels = random_pixels(64, seed=5)

    def ask(index):
        with http.InferenceServerClient(server.http) as own:
            given = [tensor(http, "pixel_values", pixels[index : index + 1], "FP32")]
            return own.infer("vmamba", given).as_numpy("logits")[0]

    with ThreadPoolExecutor(16) as pool:
        answers = np.stack(list(pool.map(ask, range(len(pixels)))))
    np.testing.assert_allclose(answers, model(pixels), rtol=0, atol=1e-5)
    after = client.get_inference_statistics("vmamba")["model_stats"][0]
    images = after["inference_count"] - before["inference_count"]
    executions = after["execution_count"] - before["execution_count"]
    assert images == 64
    assert executions < images / 2
    assert max(batch["batch_size"] for batch in after["batch_stats"]) > 1


def test_the_classification_extension_knows_the_labels(client):
    wanted = [http.InferRequestedOutput("logits", class_count=2)]
    pixels = tensor(http, "pixel_values", random_pixels(1), "FP32")
    (row,) = client.infer("vmamba", [pixels], outputs=wanted).as_numpy("logits")
    for entry in row:
        _value, index, label = entry.decode().split(":")
        assert label == index


def test_encoded_images_to_labels(client, images, model):
    files = [file for _, file in images]
    answer = client.infer("vmamba_images", [image_input(*(file.read_bytes() for file in files))])
    np.testing.assert_allclose(
        answer.as_numpy("logits"), model(model.preprocess(files)), rtol=0, atol=1e-5
    )
    best = [json.loads(text[0]) for text in answer.as_numpy("top5")]
    assert [row[0]["label"] for row in best] == [label for label, _ in images]
    expected = model.classify(files)
    for row, predictions in zip(best, expected, strict=True):
        assert [one["index"] for one in row] == [one.index for one in predictions]
        assert [one["probability"] for one in row] == pytest.approx(
            [one.probability for one in predictions], abs=1e-6
        )


def test_a_jpeg_file_as_the_body_of_a_request(server, images, tmp_path):
    label, file = images[3]
    Image.open(file).convert("RGB").resize((320, 320)).save(tmp_path / "x.jpg", quality=95)
    request = urllib.request.Request(
        f"http://{server.http}/v2/models/vmamba_images/infer",
        (tmp_path / "x.jpg").read_bytes(),
        {"Content-Type": "application/octet-stream", "Inference-Header-Content-Length": "0"},
    )
    with urllib.request.urlopen(request, timeout=HANG_S) as answer:
        header_bytes = int(answer.headers["Inference-Header-Content-Length"])
        body = answer.read()
    outputs = {one["name"]: one for one in json.loads(body[:header_bytes])["outputs"]}
    assert outputs["top5"]["shape"] == [1, 1]
    assert f'[{{"index": {label}, "label": "{label}"'.encode() in body


def test_a_bad_image_is_refused_alone_and_the_server_lives_on(client, server, images):
    label, file = images[0]

    def ask(content):
        with http.InferenceServerClient(server.http) as own:
            return json.loads(
                own.infer("vmamba_images", [image_input(content)]).as_numpy("top5")[0, 0]
            )

    with ThreadPoolExecutor(2) as pool:
        bad = pool.submit(ask, b"no image at all")
        good = pool.submit(ask, file.read_bytes())
        assert good.result()[0]["label"] == label
        with pytest.raises(InferenceServerException, match="is not an image") as refused:
            bad.result()
    assert refused.value.status() == "400"
    half = file.read_bytes()[: file.stat().st_size // 2]
    with pytest.raises(InferenceServerException, match="image"):
        ask(half)
    with (
        grpc.InferenceServerClient(server.grpc) as by_grpc,
        pytest.raises(InferenceServerException) as refused,
    ):
        by_grpc.infer("vmamba_images", [image_input(b"", module=grpc)])
    assert refused.value.status() == "StatusCode.INVALID_ARGUMENT"
    assert client.is_server_ready()
    assert ask(file.read_bytes())[0]["label"] == label


def test_pixels_of_another_size_are_refused(client):
    pixels = np.zeros((1, 3, 32, 31), np.float32)
    with pytest.raises(InferenceServerException, match="unexpected shape"):
        client.infer("vmamba", [tensor(http, "pixel_values", pixels, "FP32")])


def test_metrics_count_the_requests(server, client):
    client.infer("vmamba", [tensor(http, "pixel_values", random_pixels(1), "FP32")])
    url = f"http://{server.host}:{server.metrics_port}/metrics"
    text = urllib.request.urlopen(url, timeout=HANG_S).read().decode()
    (line,) = [
        line
        for line in text.splitlines()
        if line.startswith("nv_inference_request_success{") and 'model="vmamba"' in line
    ]
    assert float(line.rpartition(" ")[2]) >= 1


def test_a_server_that_cannot_load_its_models_says_why(server, tmp_path):
    broken = tmp_path / "repository" / "broken" / "1"
    broken.mkdir(parents=True)
    (broken.parent / "config.pbtxt").write_text('name: "broken"\nbackend: "python"\n')
    (broken / "model.py").write_text("raise RuntimeError('on purpose')\n")
    with (
        pytest.raises(EnvironmentProblem, match="did not get ready"),
        serving(tmp_path / "repository", tmp_path / "server.log"),
    ):
        pytest.fail("it started")
    assert "on purpose" in (tmp_path / "server.log").read_text()
