"""The program features on a backbone's folder gives the maps that Python gives, by name."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests.former_names import write_former_names
from tests.preprocessing.golden import FOLDER
from tests.samples.cpp.programs import Program, program
from vmamba_deploy.inference import load
from vmamba_deploy.pipeline.export import run_export
from vmamba_deploy.pipeline.plan import ExportPlan

IMAGES = [FOLDER / name for name in ("photo_420.jpg", "rgba_16.png", "orientation_6.jpg")]
WEIGHTS = Path(__file__).parents[2] / "data" / "golden" / "vssm_s1_backbone.pth"


@pytest.fixture(scope="module")
def backbone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    plan = ExportPlan(
        model=None,
        weights=str(WEIGHTS),
        image_size=(64, 64),
        output=tmp_path_factory.mktemp("maps") / "backbone",
        build_engine=False,
        check_parity=False,
    )
    return run_export(plan, lambda _event: None).folder


@pytest.fixture(scope="module")
def features(programs: Path) -> Program:
    return program(programs / "features")


def test_four_maps_are_read_by_name(features: Program, backbone: Path, tmp_path: Path) -> None:
    done = features(backbone, *IMAGES, "--output", tmp_path, "--runtime", "ort")
    assert done.code == 0, done.err
    with load(backbone, runtime="ort") as model:
        expected = model(model.preprocess(IMAGES))
    lines = [" ".join(map(str, (name, *array.shape))) for name, array in expected.items()]
    assert done.out.splitlines() == lines
    assert len(lines) == 4
    for name, array in expected.items():
        found = np.fromfile(tmp_path / f"{name}.f32", np.float32).reshape(array.shape)
        np.testing.assert_allclose(found, array, atol=1e-5)


def test_a_folder_of_an_older_release_has_other_names(
    features: Program, backbone: Path, tmp_path: Path
) -> None:
    write_former_names(backbone, tmp_path / "older")
    done = features(tmp_path / "older", *IMAGES, "--output", tmp_path, "--runtime", "ort")
    assert done.code == 0, done.err
    now = features(backbone, *IMAGES, "--output", tmp_path, "--runtime", "ort")
    names = [line.split()[0] for line in done.out.splitlines()]
    assert names == ["stage1", "stage2", "stage3", "stage4"]
    for former, line in zip(names, now.out.splitlines(), strict=True):
        name = line.split()[0]
        found, wanted = (tmp_path / f"{each}.f32" for each in (former, name))
        assert found.read_bytes() == wanted.read_bytes()


def test_a_classifier_has_its_one_output(features: Program, exported: Path, tmp_path: Path) -> None:
    done = features(exported, *IMAGES, "--output", tmp_path, "--runtime", "ort")
    assert (done.code, done.out) == (0, "logits 3 10\n"), done.err


def test_what_does_not_fit_is_said(
    features: Program, classify: Program, backbone: Path, tmp_path: Path
) -> None:
    refused = classify(backbone, IMAGES[0])
    assert refused.code == 2
    assert "is no classifier: its task is features" in refused.error
    assert features(backbone, IMAGES[0]).code == 2
    many = features(backbone, *([IMAGES[0]] * 33), "--output", tmp_path)
    assert (many.code, many.error) == (2, "one execution takes 1 to 32 images")
