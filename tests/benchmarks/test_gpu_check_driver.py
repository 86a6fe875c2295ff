"""The driver of the GPU check: isolation of its stages, budgets, resumption and the record."""

from __future__ import annotations

import json
import os
import textwrap
import time
from pathlib import Path

import pytest

from benchmarks.gpu_check.driver import RunOptions, run_stages
from benchmarks.gpu_check.stages import STAGES, TIME_LIMIT_S, Stage, chosen_stages

MODULES = {
    "good": """
        def run(context):
            return {"device": context.device}
    """,
    "broken": """
        def run(context):
            context.save({"rows": [1]})
            raise ValueError("the scan is upside down")
    """,
    "hanging": """
        import pathlib, subprocess, time
        def run(context):
            child = subprocess.Popen(["sleep", "600"])
            context.save({"rows": [1, 2], "child": child.pid})
            time.sleep(600)
    """,
    "crashing": """
        import os, signal
        def run(context):
            os.kill(os.getpid(), signal.SIGSEGV)
    """,
    "lacking": """
        from benchmarks.gpu_check.context import StageSkippedError
        def run(context):
            raise StageSkippedError("there is no profiler here")
    """,
    "reading": """
        def run(context):
            return {"seen": context.result_of("good")["device"], "left": context.seconds_left()}
    """,
    "counting": """
        import pathlib
        def run(context):
            path = context.folder / "count"
            count = int(path.read_text()) + 1 if path.exists() else 1
            path.write_text(str(count))
            return {"count": count}
    """,
}


@pytest.fixture
def stage_modules(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, source in MODULES.items():
        (tmp_path / f"stage_{name}.py").write_text(textwrap.dedent(source))
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))


def stage(name: str, budget_s: float = 60, **more: object) -> Stage:
    return Stage(name, f"stage_{name}", budget_s, f"the {name} one", **more)


def run(folder: Path, *stages: Stage, **options: object) -> dict:
    return run_stages(stages, RunOptions(folder, device="cpu", **options), lambda _: None)


def is_running(process: int) -> bool:
    try:
        return Path(f"/proc/{process}/stat").read_text().split()[2] != "Z"
    except FileNotFoundError:
        return False


@pytest.mark.usefixtures("stage_modules")
def test_a_stage_that_fails_leaves_its_error_and_the_rest_runs(tmp_path: Path) -> None:
    record = run(tmp_path, stage("broken"), stage("crashing"), stage("lacking"), stage("good"))
    entries = record["stages"]
    assert entries["broken"]["status"] == "failed"
    assert "ValueError: the scan is upside down" in entries["broken"]["error"]
    assert entries["broken"]["result"] == {"rows": [1]}
    assert entries["crashing"]["status"] == "failed"
    assert "SIGSEGV" in entries["crashing"]["error"]
    assert entries["lacking"]["status"] == "skipped"
    assert entries["lacking"]["error"] == "there is no profiler here"
    assert entries["good"]["status"] == "passed"
    assert entries["good"]["result"] == {"device": "cpu"}
    assert json.loads((tmp_path / "gpu_check.json").read_text()) == record


@pytest.mark.usefixtures("stage_modules")
def test_a_stage_that_hangs_is_stopped_with_its_children_and_keeps_what_it_saved(
    tmp_path: Path,
) -> None:
    record = run(tmp_path, stage("hanging", budget_s=2), stage("good"))
    hanging = record["stages"]["hanging"]
    assert hanging["status"] == "timeout"
    assert hanging["result"]["rows"] == [1, 2]
    for _ in range(50):
        if not is_running(hanging["result"]["child"]):
            break
        time.sleep(0.1)
    assert not is_running(hanging["result"]["child"])
    assert record["stages"]["good"]["status"] == "passed"


@pytest.mark.usefixtures("stage_modules")
def test_time_that_a_stage_leaves_is_at_the_disposal_of_the_next(tmp_path: Path) -> None:
    record = run(tmp_path, stage("good", budget_s=300), stage("reading", budget_s=1))
    assert record["stages"]["reading"]["result"]["left"] > 100
    assert record["stages"]["reading"]["result"]["seen"] == "cpu"


@pytest.mark.usefixtures("stage_modules")
def test_a_stage_waits_for_those_it_needs(tmp_path: Path) -> None:
    record = run(tmp_path, stage("broken"), stage("good", needs=("broken",)))
    assert record["stages"]["good"]["status"] == "skipped"
    assert record["stages"]["good"]["error"] == "it needs the stage broken, which has not passed"


@pytest.mark.usefixtures("stage_modules")
def test_without_a_gpu_a_stage_that_needs_one_is_not_rehearsed(tmp_path: Path) -> None:
    record = run(tmp_path, stage("good", rehearsed=False))
    assert record["stages"]["good"]["error"] == "it needs a GPU"


@pytest.mark.usefixtures("stage_modules")
def test_a_resumed_run_repeats_only_what_has_not_passed(tmp_path: Path) -> None:
    stages = (stage("counting"), stage("broken"))
    run(tmp_path, *stages)
    (tmp_path / "stage_broken.py").write_text("def run(context):\n    return {'mended': True}\n")
    record = run(tmp_path, *stages, resume=True)
    assert record["stages"]["counting"]["result"] == {"count": 1}
    assert record["stages"]["broken"]["result"] == {"mended": True}
    again = run(tmp_path, *stages, resume=True, repeat=("counting",))
    assert again["stages"]["counting"]["result"] == {"count": 2}


@pytest.mark.usefixtures("stage_modules")
def test_a_record_of_another_kind_of_run_is_not_resumed(tmp_path: Path) -> None:
    run(tmp_path, stage("counting"))
    record = json.loads((tmp_path / "gpu_check.json").read_text())
    (tmp_path / "gpu_check.json").write_text(json.dumps(record | {"rehearsal": False}))
    assert run(tmp_path, stage("counting"), resume=True)["stages"]["counting"]["result"] == {
        "count": 2
    }


def test_the_budgets_stay_below_nine_minutes() -> None:
    assert sum(stage.budget_s for stage in STAGES) < TIME_LIMIT_S == 9 * 60


def test_stages_come_after_those_they_need() -> None:
    for number, each in enumerate(STAGES):
        assert set(each.needs) <= {before.name for before in STAGES[:number]}


def test_a_named_stage_brings_those_it_needs() -> None:
    assert [each.name for each in chosen_stages(("networks",))] == ["build", "networks"]
    assert chosen_stages(()) == STAGES
    with pytest.raises(ValueError, match="no stage 'netwroks'; the stages are environment, build"):
        chosen_stages(("netwroks",))


def test_each_stage_is_a_module_with_a_run() -> None:
    root = Path(__file__).resolve().parents[2]
    for each in STAGES:
        source = root / (each.module.replace(".", os.sep) + ".py")
        assert "\ndef run(context: StageContext) -> Json:" in source.read_text()
