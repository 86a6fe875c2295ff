"""A task with a second input, integer outputs and an optional one goes all the way through."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import torch

from tests.another_task import CONFIG, FITTED, REGIONS, registered
from tests.pipeline.conftest import HAS_RTX, HAS_TORCH_LIBRARY
from vmamba_deploy.errors import ExitCode, UsageError
from vmamba_deploy.exporting.aoti_package import export_aoti
from vmamba_deploy.exporting.onnx_file import export_onnx
from vmamba_deploy.exporting.onnx_model import OnnxModel
from vmamba_deploy.exporting.options import ExportOptions
from vmamba_deploy.inference import load
from vmamba_deploy.models import LoadedModel, create_model, load_weights
from vmamba_deploy.pipeline.bench import BenchPlan, run_bench
from vmamba_deploy.pipeline.compare import run_compare
from vmamba_deploy.pipeline.export import ExportOutcome, run_export
from vmamba_deploy.pipeline.plan import ExportPlan
from vmamba_deploy.runtimes.aotinductor import AotInductorRuntime
from vmamba_deploy.runtimes.onnxruntime import create_session
from vmamba_deploy.runtimes.onnxruntime_cuda import BoundSession
from vmamba_deploy.runtimes.tensorrt.plan import EnginePlan
from vmamba_deploy.serving.triton.package import package_for_triton
from vmamba_deploy.serving.triton.plan import TritonPlan

NAMES = ["labels", "scores", "logits"]


@pytest.fixture(autouse=True, scope="module")
def _registered() -> Iterator[None]:
    with registered():
        yield


@pytest.fixture(scope="module")
def loaded() -> LoadedModel:
    return load_weights("random", preset="regions", num_classes=3)


@pytest.fixture(scope="module")
def outcome(tmp_path_factory: pytest.TempPathFactory) -> ExportOutcome:
    """Exported with free sides, an engine where one can be built, and proven."""
    plan = ExportPlan(
        model="regions",
        num_classes=3,
        output=tmp_path_factory.mktemp("regions") / "out",
        image_size=(64, 96),
        dynamic_size=True,
        outputs=("labels", "logits"),
        build_engine=HAS_RTX,
        engine=EnginePlan(flavour="rtx", batches=(1, 2)),
    )
    return run_export(plan, lambda _event: None)


def test_the_export_is_proven_and_says_what_it_is(outcome: ExportOutcome) -> None:
    assert outcome.exit_code == ExitCode.OK
    passed = {run.runtime for run in outcome.parity if run.status == "passed"}
    assert {"pytorch", "onnxruntime-body"} <= passed
    manifest = outcome.manifest
    assert (manifest.task, manifest.num_classes) == ("regions", 3)
    assert (manifest.labels, manifest.palette) == (
        ("a", "b", "c"),
        ((1, 2, 3), (4, 5, 6), (7, 8, 9)),
    )
    (image, sizes), outputs = manifest.onnx.inputs, manifest.onnx.outputs
    assert image.shape == ("batch", 3, "height", "width")
    assert (sizes.name, sizes.dtype, sizes.shape) == ("sizes", "int64", ("batch", 2))
    assert [(each.name, each.dtype) for each in outputs] == [
        ("labels", "int32"), ("scores", "float32"), ("logits", "float32")
    ]  # fmt: skip
    assert OnnxModel.read(outcome.folder / "model.onnx").task.output_names == tuple(NAMES)


@pytest.mark.skipif(not HAS_RTX, reason="TensorRT-RTX is not installed")
def test_its_engine_takes_the_other_input_with_the_image(outcome: ExportOutcome) -> None:
    engine = outcome.manifest.engine
    assert engine.built
    assert engine.plugin_layers == sum(CONFIG.depths)
    assert engine.profile is not None
    assert (engine.profile.min, engine.profile.max) == ((1, 3, 32, 32), (2, 3, 96, 96))
    script = (outcome.folder / "polygraphy_network.py").read_text()
    assert "--trt-max-shapes pixel_values:[2,3,96,96] sizes:[2,2]" in script


def expected(pixels: np.ndarray, sizes: np.ndarray | None) -> dict[str, np.ndarray]:
    network = create_model("regions", num_classes=3)
    network.optional_outputs = ("logits",)
    with torch.inference_mode():
        given = network(*(torch.from_numpy(each) for each in (pixels, sizes) if each is not None))
    return {name: tensor.numpy() for name, tensor in given.items()}


def images(batch: int, height: int = 64, width: int = 96) -> np.ndarray:
    return np.random.default_rng().standard_normal((batch, 3, height, width), dtype=np.float32)


def agree(got: dict[str, np.ndarray], wanted: dict[str, np.ndarray]) -> None:
    assert [*got] == NAMES
    assert [got[name].dtype for name in NAMES] == [np.int32, np.float32, np.float32]
    np.testing.assert_allclose(got["scores"], wanted["scores"], rtol=1e-3, atol=1e-4)
    np.testing.assert_allclose(got["logits"], wanted["logits"], rtol=1e-3, atol=1e-4)
    # Two logits within the tolerance may change places.
    assert (got["labels"] == wanted["labels"]).mean() > 0.999
    assert ((got["labels"] == -1) == (wanted["labels"] == -1)).all()


def test_an_application_gives_sizes_or_leaves_them_out(outcome: ExportOutcome) -> None:
    pixels, sizes = images(5), np.random.default_rng().integers(16, 64, (5, 2))
    with load(outcome.folder, runtime="ort", max_batch=2) as model:
        agree(model(pixels, sizes=sizes), expected(pixels, sizes))  # in three executions
        agree(model(pixels), expected(pixels, None))
        other = images(1, 32, 160)
        agree(model(other), expected(other, None))
        with pytest.raises(UsageError, match="has no input size"):
            model(pixels, size=sizes)
        with pytest.raises(UsageError, match=r"takes sizes \[5, 2\] of int64"):
            model(pixels, sizes=sizes[:2])


def test_a_batch_that_is_filled_up_fills_the_other_input_too(outcome: ExportOutcome) -> None:
    pixels, sizes = images(1), np.array([[40, 50]])
    with load(outcome.folder, runtime="ort") as model:
        model._min_batch = 3
        agree(model(pixels, sizes=sizes), expected(pixels, sizes))


def test_it_is_compared_and_timed_again(outcome: ExportOutcome, tmp_path: Path) -> None:
    prefix = tmp_path / "data"
    results = run_compare(
        outcome.folder, lambda _event: None, batches=(1,), polygraphy=prefix, report=tmp_path
    ).parity
    assert {run.status for run in results} <= {"passed", "skipped"}
    assert "layers" in json.loads((tmp_path / "report.json").read_text())
    text = (tmp_path / "data-inputs.json").read_text()
    assert '"sizes"' in text
    measured = run_bench(outcome.folder / "model.onnx", BenchPlan(repeats=1))
    assert {"pytorch", "onnxruntime-body"} <= {one.runtime for one in measured.latencies}


def test_a_file_of_standard_ops_alone_takes_the_same(loaded: LoadedModel, tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    options = ExportOptions(image_size=(64, 96), inline=True, precision="fp16")
    model = export_onnx(loaded, path, options)
    assert not model.our_nodes
    assert json.loads(model.metadata["preprocessing"]) == replace(FITTED, fixed=True).as_manifest()
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    pixels, sizes = images(2), np.array([[64, 96], [33, 70]])
    labels, scores = session.run(["labels", "scores"], {"pixel_values": pixels, "sizes": sizes})
    wanted = expected(pixels, sizes)
    np.testing.assert_allclose(scores, wanted["scores"], rtol=2e-2, atol=2e-2)
    assert ((labels == -1) == (wanted["labels"] == -1)).all()


def test_buffers_that_stay_on_the_device_hold_every_input(outcome: ExportOutcome) -> None:
    session = BoundSession(create_session(outcome.folder / "model.onnx"), "cpu")
    for batch in (1, 2, 1):
        sizes = np.random.default_rng().integers(16, 64, (batch, 2))
        pixels = images(batch)
        agree(session(pixels, sizes=sizes), expected(pixels, sizes))


@pytest.mark.slow
@pytest.mark.skipif(not HAS_TORCH_LIBRARY, reason="libvmamba_torch.so cannot be had")
def test_a_compiled_package_takes_the_same(loaded: LoadedModel, tmp_path: Path) -> None:
    options = ExportOptions(image_size=(64, 96), outputs=("logits",))
    package_ = export_aoti(loaded, tmp_path / "model.pt2", options, largest_batch=2, device="cpu")
    task = REGIONS.with_optional(["logits"])
    session = AotInductorRuntime(package_.path, task).open()
    pixels, sizes = images(2), np.array([[64, 96], [33, 70]])
    agree(session(pixels, sizes=sizes), expected(pixels, sizes))
    with pytest.raises(UsageError, match="beside pixel_values the model takes sizes, got nothing"):
        session(pixels)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"image_size": (64, 80)}, "multiples of 32 pixels"),
        ({"outputs": ("masks",)}, "no optional output masks"),
        ({"preprocess": True}, "--preprocess cannot be had: .*padding"),
        ({"task": "classification"}, "cannot do the task classification: they are a Regions"),
    ],
)
def test_what_cannot_be_had_is_refused_before_the_trace(
    loaded: LoadedModel, tmp_path: Path, options: dict[str, object], words: str
) -> None:
    with pytest.raises(UsageError, match=words):
        export_onnx(loaded, tmp_path / "m.onnx", ExportOptions(**{"image_size": 64, **options}))
    assert not [*tmp_path.iterdir()]


def test_triton_serves_classifiers_alone(outcome: ExportOutcome, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="is no classifier: its task is regions"):
        package_for_triton(TritonPlan(outcome.folder, tmp_path / "repository"))
