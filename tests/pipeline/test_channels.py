"""Networks whose input is not RGB: exported, proven, opened and asked like any other."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import numpy as np
import pytest
import torch

from vmamba_deploy.errors import ExitCode, InputFileError, UsageError
from vmamba_deploy.evaluation.scorer import Source
from vmamba_deploy.exporting.onnx_model import OnnxModel
from vmamba_deploy.inference import load
from vmamba_deploy.models import load_model
from vmamba_deploy.parity.inputs import load_photo
from vmamba_deploy.pipeline.bench import random_inputs
from vmamba_deploy.pipeline.evaluate import EvaluationPlan, run_evaluation
from vmamba_deploy.pipeline.export import run_export
from vmamba_deploy.pipeline.parity import load_reference, parity_inputs
from vmamba_deploy.pipeline.plan import ExportPlan
from vmamba_deploy.preprocessing import preprocess
from vmamba_deploy.preprocessing.options import PreprocessingOptions
from vmamba_deploy.runtimes.tensorrt.plan import EnginePlan

GOLDEN = Path(__file__).parents[1] / "data" / "golden" / "vssm_s1.pth"
HAS_RTX = importlib.util.find_spec("tensorrt_rtx") is not None
RNG = np.random.default_rng()


def weights_of(channels: int, folder: Path) -> Path:
    """The golden network with another stem."""
    weights = load_model(GOLDEN).state_dict()
    stem = weights["patch_embed.0.weight"]
    weights["patch_embed.0.weight"] = torch.randn(stem.shape[0], channels, *stem.shape[2:]) * 0.3
    path = folder / f"channels_{channels}.pth"
    torch.save({"model": weights}, path)
    return path


def exported(channels: int, folder: Path, said: PreprocessingOptions, *, inside: bool):
    events = []
    plan = ExportPlan(
        model=None,
        weights=str(weights_of(channels, folder)),
        output=folder / "out",
        image_size=(64, 64),
        preprocess=inside,
        preprocessing=said,
        build_engine=HAS_RTX and not inside,
        engine=EnginePlan(flavour="rtx", batches=(1, 2)),
    )
    outcome = run_export(plan, events.append)
    return outcome, [event.message for event in events if event.event == "warning"]


@pytest.mark.parametrize(
    ("channels", "inside", "said"),
    [
        (1, False, PreprocessingOptions()),
        (4, True, PreprocessingOptions(mean=(0.1, 0.2, 0.3, 0.4), std=(0.5,), crop="none")),
    ],
)
def test_any_number_of_channels_goes_the_whole_way(channels, inside, said, tmp_path):
    outcome, warnings = exported(channels, tmp_path, said, inside=inside)
    assert outcome.exit_code == ExitCode.OK
    assert {run.runtime for run in outcome.parity if run.status == "passed"} >= {
        "pytorch", "onnxruntime-body", "onnxruntime-library"
    }  # fmt: skip
    # Said by nobody, mean and std are a guess.
    assert any("mean and std" in warning for warning in warnings) == (said.mean is None)
    facts = OnnxModel.read(outcome.folder / "model.onnx")
    assert facts.channels() == channels
    shape = (3, 64, 64, channels) if inside else (3, channels, 64, 64)
    assert random_inputs(facts, 3)["pixel_values"].shape == shape
    inputs = parity_inputs(facts, load_reference(facts).preprocessing, (2,))
    assert inputs[0].pixel_values.shape == (2, *shape[1:])
    if outcome.manifest.engine.built:
        assert outcome.manifest.engine.profile.max == (2, *shape[1:])

    image = RNG.integers(0, 256, (90, 70, channels), dtype=np.uint8)
    network = load_model(tmp_path / f"channels_{channels}.pth")
    with load(outcome.folder, runtime="ort") as model:
        assert model.preprocessing.channels == channels
        # What a run was told is compared later as well: `compare` and `bench` read it in the file.
        assert load_reference(facts).preprocessing == model.preprocessing
        pixels = model.preprocess(image)
        assert pixels.shape == (1, *shape[1:])
        outside = model.preprocessing.__class__.from_manifest(
            model.preprocessing.as_manifest() | {"normalisation_in_graph": False}
        )
        with torch.inference_mode():
            expected = network(torch.from_numpy(preprocess(image, outside))[None]).numpy()
        np.testing.assert_allclose(model(pixels), expected, rtol=0, atol=1e-4)
        several = model.classify(np.stack([image, image]))
        assert several == model.classify([image, image]) == model.classify(image) * 2
        if channels == 1:
            grey = load_photo("cat").convert("L")
            assert model.classify(np.asarray(grey)) == model.classify([load_photo("cat")])
        else:
            with pytest.raises(InputFileError, match="network takes 4 channels"):
                model.classify([load_photo("cat")])
            with pytest.raises(UsageError, match="4 channels; image files are for"):
                run_evaluation(
                    EvaluationPlan(Source(tmp_path), outcome.folder), lambda _event: None
                )
