"""Who names the classes of an export: the user, the weights, or nobody, which is told."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.pipeline.conftest import GOLDEN
from vmamba_deploy.artifacts.manifest import read_manifest
from vmamba_deploy.cli import main
from vmamba_deploy.errors import ExitCode, UsageError
from vmamba_deploy.models import LoadedModel, load_weights
from vmamba_deploy.models.labels import asked_labels
from vmamba_deploy.pipeline.class_names import name_as_planned
from vmamba_deploy.pipeline.events import Steps
from vmamba_deploy.pipeline.plan import ExportPlan

TEN = [f"kind {i}" for i in range(10)]
WEIGHTS = str(GOLDEN / "vssm_s2.pth")


@pytest.fixture
def unnamed() -> LoadedModel:
    loaded = load_weights(WEIGHTS)
    assert loaded.model.class_labels is None
    return loaded


def told(loaded: LoadedModel, **asked: Any) -> list[str]:
    events: list[Any] = []
    plan = ExportPlan(model=None, weights=WEIGHTS, **asked)
    name_as_planned(loaded, plan, Steps(events.append))
    return [event.message for event in events]


def test_classes_that_nobody_named_are_told_once(unnamed: LoadedModel) -> None:
    (warning,) = told(unnamed)
    assert warning.startswith("nothing names the 10 classes")
    assert warning.endswith("--labels FILE")
    assert told(unnamed, task="features") == []
    assert told(unnamed, labels=asked_labels(TEN)) == []
    assert unnamed.model.class_labels == tuple(TEN)
    assert told(unnamed) == []


def test_too_few_names_and_names_of_nothing(unnamed: LoadedModel) -> None:
    with pytest.raises(UsageError, match="80 labels were given for 10 classes"):
        told(unnamed, labels=asked_labels("coco"))
    with pytest.raises(UsageError, match="no output tells classes apart"):
        told(unnamed, labels=asked_labels(TEN), task="features")
    assert unnamed.model.class_labels is None


def test_the_labels_of_a_file_reach_the_manifest_and_info(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    labels, folder = tmp_path / "labels.txt", tmp_path / "out"
    labels.write_text("\n".join(TEN))
    options = ["--weights", WEIGHTS, "--no-engine", "--no-parity", "--inline", "--image-size", "32"]

    def run(*arguments: object) -> tuple[int, str]:
        with pytest.raises(SystemExit) as ended:
            main([str(each) for each in arguments])
        assert isinstance(ended.value.code, int)
        return ended.value.code, capsys.readouterr().out

    assert run("export", *options, "--labels", labels, "-o", folder)[0] == ExitCode.OK
    assert read_manifest(folder).labels == tuple(TEN)
    shown = run("info", folder)[1]
    assert "10: kind 0, kind 1" in shown
    assert "kind 9" not in shown
    assert '"kind 9"' in run("info", "--json", folder)[1]
    code, _ = run("export", *options, "--labels", "ade20k", "-o", tmp_path / "other")
    assert code == ExitCode.USAGE
    assert not (tmp_path / "other").exists()
