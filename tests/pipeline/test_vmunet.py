"""A VM-UNet from its checkpoint to a proven artefact folder that segments pictures."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from tests.pipeline.conftest import HAS_RTX
from tests.vmunet_golden import FOLDER
from vmamba_deploy.errors import ExitCode, UsageError
from vmamba_deploy.inference import load
from vmamba_deploy.models.vmunet.family import VMUNET
from vmamba_deploy.parity.inputs import load_photo
from vmamba_deploy.pipeline.compare import run_compare
from vmamba_deploy.pipeline.export import ExportOutcome, run_export
from vmamba_deploy.pipeline.plan import ExportPlan
from vmamba_deploy.runtimes.tensorrt.plan import EnginePlan

SIZE = (64, 96)


@pytest.fixture(scope="module")
def outcome(tmp_path_factory: pytest.TempPathFactory) -> ExportOutcome:
    """In half precision, with an engine where one can be built, and proven.

    With more channels than the golden networks: their last norm, over three, is no place for half
    precision.
    """
    published = VMUNET.presets["vmunet_isic"].config
    encoder = replace(published.encoder, depths=(1, 2, 1, 1), dims=(32, 64, 128, 256))
    network = VMUNET.build(replace(published, encoder=encoder, decoder_depths=(1, 1, 1, 1)))
    VMUNET.initialize(network, 4)
    folder = tmp_path_factory.mktemp("vmunet")
    weights = {f"vmunet.{key}": value for key, value in network.state_dict().items()}
    torch.save(weights, folder / "best.pth")
    plan = ExportPlan(
        model=None,
        weights=str(folder / "best.pth"),
        precision="fp16",
        output=folder / "out",
        image_size=SIZE,
        outputs=("labels", "logits"),
        build_engine=HAS_RTX,
        engine=EnginePlan(flavour="rtx", batches=(1, 2)),
    )
    return run_export(plan, lambda _event: None)


def test_the_export_is_proven_and_says_what_it_is(outcome: ExportOutcome) -> None:
    assert outcome.exit_code == ExitCode.OK
    passed = {run.runtime for run in outcome.parity if run.status == "passed"}
    assert {"pytorch", "onnxruntime-body", "onnxruntime-library"} <= passed
    manifest = outcome.manifest
    assert (manifest.task, manifest.preset, manifest.num_classes) == ("segmentation", "custom", 1)
    assert manifest.classes == 2
    labels, logits = manifest.onnx.outputs
    assert (labels.shape, logits.shape) == (("batch", *SIZE), ("batch", 1, *SIZE))


@pytest.mark.skipif(not HAS_RTX, reason="TensorRT-RTX is not installed")
def test_every_scan_is_a_layer_of_the_plugin(outcome: ExportOutcome) -> None:
    assert outcome.manifest.engine.built
    assert outcome.manifest.engine.plugin_layers == 9


def test_pictures_are_segmented_at_their_own_size(outcome: ExportOutcome) -> None:
    picture = np.asarray(load_photo("cat").resize((150, 110)))
    with load(outcome.folder, runtime="ort", threads=1) as model:
        (result,) = model.segment([picture])
    assert result.labels.shape == (110, 150)
    assert result.exact
    assert set(np.unique(result.labels)) == {0, 1}
    assert [one.name for one in result.classes()] in (["0", "1"], ["1", "0"])


def test_it_can_be_compared_again(outcome: ExportOutcome) -> None:
    results = run_compare(outcome.folder, lambda _event: None).parity
    assert {one.status for one in results} <= {"passed", "skipped"}


@pytest.mark.parametrize("changes", [{"image_size": (64, 80)}, {"dynamic_size": True}])
def test_sizes_that_do_not_fit_are_refused(changes, tmp_path) -> None:
    plan = ExportPlan(
        model=None,
        weights=str(FOLDER / "vmunet_binary.pth"),
        output=tmp_path / "out",
        build_engine=False,
        **changes,
    )
    with pytest.raises(UsageError, match="sides are multiples of 32") as refused:
        run_export(plan, lambda _event: None)
    assert "--image-size" in refused.value.hint
