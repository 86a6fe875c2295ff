"""Networks of one channel and of four in C++: images where files have them, pixels always."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import torch

from tests.preprocessing.golden import FOLDER
from tests.samples.cpp.programs import Program
from vmamba_deploy.inference import load
from vmamba_deploy.models import load_model
from vmamba_deploy.pipeline.export import run_export
from vmamba_deploy.pipeline.plan import ExportPlan
from vmamba_deploy.preprocessing.options import PreprocessingOptions

GOLDEN = Path(__file__).resolve().parents[2] / "data" / "golden" / "vssm_s1.pth"
IMAGES = [FOLDER / name for name in ("photo_420.jpg", "grey_16.png")]


def exported(channels: int, folder: Path) -> Path:
    weights = load_model(GOLDEN).state_dict()
    stem = weights["patch_embed.0.weight"]
    weights["patch_embed.0.weight"] = torch.randn(stem.shape[0], channels, 3, 3) * 0.3
    torch.save({"model": weights}, folder / "weights.pth")
    plan = ExportPlan(
        model=None,
        weights=str(folder / "weights.pth"),
        output=folder / "out",
        image_size=(32, 32),
        preprocessing=PreprocessingOptions(
            mean=(0.4,), std=(0.3,), interpolation="lanczos", crop="none"
        ),
        build_engine=False,
        check_parity=False,
    )
    return run_export(plan, lambda _event: None).folder


def test_grey_images_get_the_classes_that_python_gives(classify: Program, tmp_path: Path) -> None:
    folder = exported(1, tmp_path)
    done = classify(folder, *IMAGES, "--runtime", "ort", "--logits", tmp_path / "logits")
    assert done.code == 0, done.err
    with load(folder, runtime="ort") as model:
        expected = model(model.preprocess(IMAGES))
    found = np.fromfile(tmp_path / "logits", np.float32).reshape(expected.shape)
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-5)


def test_four_channels_are_run_and_files_refused_by_name(
    classify: Program, throughput: Program, tmp_path: Path
) -> None:
    folder = exported(4, tmp_path)
    done = throughput(folder, "--runtime", "ort", "--batch", "2", "--iterations", "1")
    assert done.code == 0, done.err
    assert json.loads(done.out)["results"][0]["images_per_second"] > 0
    refused = classify(folder, IMAGES[0], "--runtime", "ort")
    assert refused.code == 3
    assert refused.error == f"the network takes 4 channels, so {IMAGES[0]} is no input for it"
    assert "Image of 4 channels" in refused.hint
