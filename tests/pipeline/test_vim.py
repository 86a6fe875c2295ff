"""A Vim from its checkpoint to a proven artefact folder, at its own size and at another."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.pipeline.conftest import HAS_RTX
from tests.vim_golden import ASSUMED, FOLDER
from vmamba_deploy.errors import ExitCode, UsageError
from vmamba_deploy.exporting.onnx_model import OnnxModel
from vmamba_deploy.inference import load
from vmamba_deploy.models.checkpoints.choice import WeightsChoice
from vmamba_deploy.parity.inputs import load_photo
from vmamba_deploy.pipeline.compare import run_compare
from vmamba_deploy.pipeline.export import ExportOutcome, run_export
from vmamba_deploy.pipeline.info import describe_path
from vmamba_deploy.pipeline.plan import ExportPlan
from vmamba_deploy.runtimes.tensorrt.plan import EnginePlan

PROVEN = {"pytorch", "onnxruntime-body", "onnxruntime-library"}


def exported(folder: Path, name: str, **changes: object) -> ExportOutcome:
    plan = ExportPlan(
        model=None,
        weights=str(FOLDER / f"{name}.pth"),
        choice=WeightsChoice(assumed=ASSUMED[name]),
        output=folder / "out",
        engine=EnginePlan(flavour="rtx", batches=(1, 2)),
        **changes,
    )
    return run_export(plan, lambda _event: None)


@pytest.fixture(scope="module")
def outcome(tmp_path_factory: pytest.TempPathFactory) -> ExportOutcome:
    """In half precision, with an engine where one can be built, and proven."""
    folder = tmp_path_factory.mktemp("vim")
    return exported(folder, "vim_mid", precision="fp16", build_engine=HAS_RTX)


def passed(outcome: ExportOutcome) -> set[str]:
    return {run.runtime for run in outcome.parity if run.status == "passed"}


def test_the_export_is_proven_and_says_what_it_is(outcome: ExportOutcome) -> None:
    assert outcome.exit_code == ExitCode.OK
    assert passed(outcome) >= PROVEN
    manifest = outcome.manifest
    assert (manifest.task, manifest.preset) == ("classification", "custom")
    assert manifest.weights.key == "model"
    assert "args.model says the same" in (manifest.weights.architecture or "")


@pytest.mark.skipif(not HAS_RTX, reason="TensorRT-RTX is not installed")
def test_every_scan_is_a_layer_of_the_plugin(outcome: ExportOutcome) -> None:
    assert outcome.manifest.engine.built
    assert outcome.manifest.engine.plugin_layers == 4


@pytest.mark.slow
@pytest.mark.skipif(not HAS_RTX, reason="TensorRT-RTX is not installed")
def test_an_engine_of_the_published_tiny_network(tmp_path: Path) -> None:
    plan = ExportPlan(
        model="vim_tiny",
        precision="fp16",
        output=tmp_path / "out",
        engine=EnginePlan(flavour="rtx", batches=(1, 2)),
        check_parity=False,
    )
    manifest = run_export(plan, lambda _event: None).manifest
    assert (manifest.preset, manifest.engine.plugin_layers) == ("vim_tiny", 24)


def test_images_are_classified(outcome: ExportOutcome) -> None:
    with load(outcome.folder, runtime="ort", threads=1) as model:
        (best, *others) = model.classify([load_photo("cat")])[0]
    assert len(others) == 4
    assert 0 < best.probability <= 1


def test_another_size_is_exported_proven_and_compared_again(tmp_path: Path) -> None:
    """What was assumed travels with the file, and positions are resized in both networks."""
    outcome = exported(tmp_path, "vim_head", image_size=(40, 56), build_engine=False)
    assert outcome.exit_code == ExitCode.OK
    assert passed(outcome) >= PROVEN
    model = OnnxModel.read(outcome.folder / "model.onnx")
    assert model.image_size() == (40, 56)
    assert model.structured("weights_assumed") == dict(ASSUMED["vim_head"])
    assert "assumed: class-token=first" in (outcome.manifest.weights.architecture or "")
    again = run_compare(outcome.folder, lambda _event: None).parity
    assert {run.status for run in again} <= {"passed", "skipped"}


def test_a_free_size_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="it has a position embedding"):
        exported(tmp_path, "vim_mid", dynamic_size=True, build_engine=False)


def test_what_a_checkpoint_is() -> None:
    described = describe_path(FOLDER / "vim_mid.pth")
    assert described["architecture"] == "taken from shapes; the file's args.model says the same"
    assert (described["weights_key"], described["other_weights_keys"]) == ("model", ["model_ema"])
    assert (described["tokens"], described["class_token"], described["depth"]) == (65, "middle", 4)
    assert described["image_size"] == [64, 64]
