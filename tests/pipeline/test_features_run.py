"""A backbone from its weights to a proven folder, and what the commands say of it."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from polygraphy.json import load_json

from tests.former_names import write_former_names
from vmamba_deploy.artifacts.manifest import read_manifest
from vmamba_deploy.cli.app import cli
from vmamba_deploy.errors import IntegrityError, UsageError
from vmamba_deploy.inference import Classifier, load, load_classifier
from vmamba_deploy.models import load_weights
from vmamba_deploy.parity.inputs import load_photo
from vmamba_deploy.pipeline.compare import run_compare
from vmamba_deploy.pipeline.export import run_export
from vmamba_deploy.pipeline.info import describe_path
from vmamba_deploy.pipeline.plan import ExportPlan
from vmamba_deploy.runtimes.tensorrt.plan import EnginePlan
from vmamba_deploy.tasks import FEATURES

WEIGHTS = Path(__file__).parents[1] / "data" / "golden" / "vssm_s1_backbone.pth"
STAGES = ["feature0", "feature1", "feature2", "feature3"]


@pytest.fixture(scope="module")
def outcome(tmp_path_factory):
    plan = ExportPlan(
        model=None,
        weights=str(WEIGHTS),
        output=tmp_path_factory.mktemp("features") / "backbone",
        image_size=(64, 64),
        preprocess=True,
        aoti=True,
        aoti_device="cpu",
        engine=EnginePlan(batches=(1, 2)),
    )
    return run_export(plan, lambda _event: None)


@pytest.fixture(scope="module")
def pixels():
    return np.random.default_rng().integers(0, 256, (3, 64, 64, 3), dtype=np.uint8)


def test_every_runtime_agrees_on_every_map(outcome):
    assert outcome.manifest.status == "complete"
    ran = {result.runtime: result for result in outcome.parity if result.status != "skipped"}
    assert {"pytorch", "onnxruntime-body", "onnxruntime-library", "aotinductor"} <= set(ran)
    for result in ran.values():
        assert result.status == "passed", result.reason
        assert [one.name for one in result.outputs] == STAGES
        assert result.output in STAGES


def test_the_folder_says_what_it_is(outcome):
    manifest = read_manifest(outcome.folder)
    assert manifest.task == "features"
    assert manifest.labels is None
    assert [output.name for output in manifest.onnx.outputs] == STAGES
    sides = [output.shape[2:] for output in manifest.onnx.outputs]
    assert sides == [(16, 16), (8, 8), (4, 4), (2, 2)]
    report = json.loads((outcome.folder / "report.json").read_text())
    assert report["task"] == "features"
    assert describe_path(outcome.folder)["task"] == "features"
    assert describe_path(outcome.folder / "model.onnx")["task"] == "features"
    assert describe_path(WEIGHTS)["tasks"] == ["features"]


def test_an_engine_has_all_outputs(outcome):
    engine = outcome.manifest.engine
    if not engine.built:
        pytest.skip(engine.reason)
    assert engine.plugin_layers == 5


def test_an_application_gets_the_maps_by_name_in_any_batch(outcome, pixels):
    preprocessing = read_manifest(outcome.folder).preprocessing
    normalised = (pixels / np.float32(255) - np.float32(preprocessing.mean)) / np.float32(
        preprocessing.std
    )
    nchw = np.ascontiguousarray(normalised.transpose(0, 3, 1, 2), dtype=np.float32)
    with torch.inference_mode():
        expected = load_weights(str(WEIGHTS)).model.forward_features(torch.from_numpy(nchw))
    with load(outcome.folder, runtime="ort", max_batch=2) as model:
        assert not isinstance(model, Classifier)
        assert model.task.name == "features"
        got = model(pixels)  # two executions
        assert model.preprocess([load_photo("cat")]).shape == (1, 64, 64, 3)
    assert list(got) == STAGES
    for one, wanted in zip(got.values(), expected, strict=True):
        np.testing.assert_allclose(one, wanted.numpy(), atol=1e-4, rtol=1e-3)


def test_a_folder_of_an_older_release_has_other_names(outcome, pixels, tmp_path):
    folder = tmp_path / "older"
    write_former_names(outcome.folder, folder)
    with load(folder, runtime="ort") as older, load(outcome.folder, runtime="ort") as model:
        got, expected = older(pixels), model(pixels)
    assert list(got) == list(older.task.output_names) == list(FEATURES.former_names)
    for one, wanted in zip(got.values(), expected.values(), strict=True):
        np.testing.assert_array_equal(one, wanted)
    results = run_compare(folder, lambda _event: None, batches=(1,)).parity
    assert {result.status for result in results} == {"passed", "skipped"}


def test_what_needs_classes_says_so_at_once(outcome, tmp_path):
    with pytest.raises(UsageError, match="is no classifier: its task is features, its outputs are"):
        load_classifier(outcome.folder)
    image = tmp_path / "cat.png"
    load_photo("cat").save(image)
    (tmp_path / "data" / "cat").mkdir(parents=True)
    load_photo("cat").save(tmp_path / "data" / "cat" / "cat.png")
    artifact = str(outcome.folder)
    data, out = str(tmp_path / "data"), str(tmp_path / "out")
    for command, said in (
        (("predict", artifact, str(image)), "is no classifier"),
        (("evaluate", artifact, "--data", data, "-o", out), "features gives cannot be evaluated"),
        (("package", "--triton", str(tmp_path / "repository"), artifact), "is no classifier"),
    ):
        result = CliRunner().invoke(cli, command)
        assert result.exit_code == 2, command
        assert said in result.output
    assert not (tmp_path / "repository").exists()
    assert not (tmp_path / "out").exists()


def test_the_saved_reference_holds_all_outputs(outcome, tmp_path):
    results = run_compare(
        outcome.folder, lambda _event: None, batches=(1,), polygraphy=tmp_path / "saved"
    ).parity
    assert {result.status for result in results} <= {"passed", "skipped"}
    saved = load_json(str(tmp_path / "saved-outputs.json"))
    (_, iterations) = saved[0]
    assert {tuple(iteration.keys()) for iteration in iterations} == {tuple(STAGES)}


def test_a_task_of_another_release_is_refused(outcome, tmp_path):
    folder = tmp_path / "later"
    folder.mkdir()
    manifest = json.loads((outcome.folder / "manifest.json").read_text())
    (folder / "manifest.json").write_text(json.dumps(manifest | {"task": "boxes"}))
    with pytest.raises(IntegrityError, match="the task 'boxes', unknown to this release"):
        load(folder)


def test_random_weights_are_found_again_whatever_their_classes(tmp_path):
    plan = ExportPlan(
        weights="random",
        task="features",
        num_classes=7,
        image_size=(32, 32),
        output=tmp_path / "t",
        build_engine=False,
        check_parity=False,
    )
    folder = run_export(plan, lambda _event: None).folder
    from vmamba_deploy.exporting.onnx_model import OnnxModel
    from vmamba_deploy.pipeline.parity import load_reference

    assert load_reference(OnnxModel.read(folder / "model.onnx")).model.config.num_classes == 7
    assert plan.output_folder("t") == tmp_path / "t"
