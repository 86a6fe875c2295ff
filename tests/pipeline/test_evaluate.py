import csv
import json
import re
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from tests.pipeline.evaluations import damaged_copy, done, lasting
from vmamba_deploy.errors import (
    ExitCode,
    InputFileError,
    IntegrityError,
    ResourceError,
    UsageError,
)
from vmamba_deploy.evaluation.judging import Thresholds
from vmamba_deploy.evaluation.scorer import Source
from vmamba_deploy.pipeline.evaluate import EvaluationPlan, run_evaluation


@pytest.fixture(scope="module")
def artifact(digits_artifact):
    return digits_artifact("fp32", engine=False)


@pytest.fixture(scope="module")
def compared(artifact, digits_folder, tmp_path_factory):
    """The whole test set, once, against PyTorch."""
    plan = EvaluationPlan(
        source=Source(digits_folder),
        artifact=artifact,
        runtime="ort",
        against="pytorch",
        output=tmp_path_factory.mktemp("evaluation") / "out",
        thresholds=Thresholds(min_top1_percent=97.0),
    )
    return plan, run_evaluation(plan, lambda _event: None)


def run(plan, **changes):
    events = []
    return run_evaluation(replace(plan, **changes), events.append), events


def test_the_digits_model_keeps_its_accuracy_and_agrees_with_pytorch(compared):
    _, outcome = compared
    report = outcome.report
    assert (report.verdict, outcome.exit_code) == ("passed", ExitCode.OK)
    assert report.summary.top1.total == 450
    assert report.summary.top1.share >= 0.97
    assert report.summary.top_k.count >= report.summary.top1.count
    agreement = report.summary.agreement
    assert agreement.same.share >= 0.995
    assert agreement.nmse < 1e-10
    assert agreement.max_abs < 1e-4
    assert abs(agreement.reference_top1.share - report.summary.top1.share) <= 0.003
    assert (report.artifact.runtime, report.artifact.precision) == ("onnxruntime", "fp32")


def test_files_and_times(compared):
    plan, outcome = compared
    names = {entry.name for entry in plan.output.iterdir()}
    assert names == {"evaluation.html", "evaluation.json", "journal.jsonl", "predictions.csv"}
    assert lasting(plan.output)["top1"]["count"] == outcome.report.summary.top1.count
    run_info, timing = outcome.report.run, outcome.report.summary.timing
    assert (run_info.images, run_info.resumed, run_info.workers) == (450, 0, 1)
    assert run_info.images_per_second > 1
    assert 0 < timing.preprocess.p50 <= timing.preprocess.p90 <= timing.preprocess.p99
    assert timing.inference.p50 > 0 < timing.reference.p50
    assert done(plan.output) == list(range(450))


def test_the_table_of_predictions_has_every_image(compared):
    plan, outcome = compared
    with (plan.output / "predictions.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    summary = outcome.report.summary
    assert len(rows) == 450
    assert sum(row["correct"] == "true" for row in rows) == summary.top1.count
    assert sum(row["pytorch"] == row["prediction"] for row in rows) == summary.agreement.same.count
    for row in rows:
        assert row["file"].startswith(f"{row['truth']}/")
        assert (row["correct"] == "true") == (row["truth"] == row["prediction"])
        assert 0.1 < float(row["probability"]) <= 1
    wrong = [row for row in rows if row["correct"] == "false"]
    wrong.sort(key=lambda row: -float(row["probability"]))
    assert [row["file"] for row in wrong] == [one.name for one in summary.wrong]


def test_each_network_is_timed_alone(compared):
    plan, outcome = compared
    timing, run_info = outcome.report.summary.timing, outcome.report.run
    lines = [json.loads(one) for one in (plan.output / "journal.jsonl").read_text().splitlines()]
    seconds = sum(line["inference_ms"] for line in lines[1:]) / 1e3
    assert timing.inference.images_per_second == pytest.approx(450 / seconds)
    # Each of the two is faster than both and the reading of files together.
    assert timing.inference.images_per_second > run_info.images_per_second
    assert timing.reference.images_per_second > run_info.images_per_second


def test_a_run_that_is_done_does_nothing_again(compared):
    plan, first = compared
    before = (plan.output / "journal.jsonl").read_bytes(), lasting(plan.output)
    second, events = run(plan)
    assert (second.report.run.images, second.report.run.resumed) == (0, 450)
    assert second.report.summary == first.report.summary
    assert ((plan.output / "journal.jsonl").read_bytes(), lasting(plan.output)) == before
    assert any("450 from the journal" in event.message for event in events)


def test_a_csv_of_the_same_images_gives_the_same_figures(compared, digits_folder, tmp_path):
    plan, folder = compared
    listed, _ = run(
        plan, source=Source(digits_folder / "labels.csv"), against=None, output=tmp_path / "out"
    )
    figures, expected = listed.report.summary, folder.report.summary
    assert figures.top1 == expected.top1
    assert figures.classes == expected.classes
    assert listed.report.data.kind == "csv"


def test_a_run_that_goes_on_ends_as_if_it_had_never_stopped(compared, tmp_path):
    plan, _ = compared
    output = tmp_path / "out"
    output.mkdir()
    journal = (plan.output / "journal.jsonl").read_bytes()
    lines = journal.splitlines(keepends=True)
    # The third batch was being written.
    (output / "journal.jsonl").write_bytes(b"".join(lines[: 1 + 64 + 7])[:-5])
    resumed, _ = run(plan, output=output)
    assert (resumed.report.run.images, resumed.report.run.resumed) == (450 - 64, 64)
    assert done(output) == list(range(450))
    assert lasting(output) == lasting(plan.output)
    table = (output / "predictions.csv").read_bytes()
    assert table == (plan.output / "predictions.csv").read_bytes()


def test_a_weight_that_was_lost_is_caught(compared, artifact, tmp_path):
    plan, _ = compared
    broken = damaged_copy(artifact, tmp_path / "broken")
    outcome, _ = run(plan, artifact=broken, output=tmp_path / "out", thresholds=Thresholds())
    assert outcome.exit_code == ExitCode.PARITY_FAILED
    assert "changed class against PyTorch, allowed are 2" in outcome.report.shortfalls[0]
    agreement = outcome.report.summary.agreement
    assert len(agreement.changed) > 2
    assert agreement.nmse > 1e-3
    for one in agreement.changed:
        assert one.candidate != one.reference
        assert (plan.source.data / one.name).is_file()
    page = (tmp_path / "out" / "evaluation.html").read_text()
    wrong = outcome.report.summary.wrong
    shown = min(len(agreement.changed), 48) + len(wrong)
    assert page.count('<img src="data:image/png;base64,') == shown
    assert lasting(tmp_path / "out")["agreement"]["changed_images"] == len(agreement.changed)


def test_a_weight_that_became_nan_is_told_without_any_threshold(artifact, digits_folder, tmp_path):
    broken = damaged_copy(artifact, tmp_path / "broken", value=float("nan"))
    plan = EvaluationPlan(Source(digits_folder), broken, tmp_path / "out", runtime="ort", limit=20)
    outcome, _ = run(plan)
    assert outcome.exit_code == ExitCode.PARITY_FAILED
    assert outcome.report.shortfalls == ("NaN or infinite logits for 20 images",)


def test_a_changed_file_is_refused_before_anything_is_run(artifact, digits_folder, tmp_path):
    broken = shutil.copytree(artifact, tmp_path / "broken")
    with (broken / "model.onnx").open("ab") as file:
        file.write(b"more")
    with pytest.raises(IntegrityError, match=r"model\.onnx"):
        run(EvaluationPlan(Source(digits_folder), broken, tmp_path / "out"))
    assert not (tmp_path / "out").exists()


def test_accuracy_below_its_threshold(compared, tmp_path):
    plan, _ = compared
    outcome, _ = run(plan, thresholds=Thresholds(min_top1_percent=100.0))
    assert outcome.exit_code == ExitCode.PARITY_FAILED
    assert re.search(r"top-1 is 9\d\.\d\d%, asked for is 100%", outcome.report.shortfalls[0])


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"batch": 16}, "another --batch"),
        ({"limit": 440}, "other images or labels, another number of images"),
        ({"against": None, "thresholds": Thresholds()}, "another reference"),
        ({"top_k": 3}, "another --top-k"),
    ],
)
def test_another_run_does_not_go_on_from_the_journal(compared, changes, words):
    plan, _ = compared
    before = (plan.output / "journal.jsonl").read_bytes()
    with pytest.raises(UsageError, match=words):
        run(plan, **changes)
    assert (plan.output / "journal.jsonl").read_bytes() == before


def test_changed_data_or_artefact_does_not_go_on_either(artifact, digits_folder, tmp_path):
    data = shutil.copytree(digits_folder, tmp_path / "data")
    plan = EvaluationPlan(Source(data), artifact, tmp_path / "out", runtime="ort", limit=40)
    run(plan)
    sample = sorted((data / "0").iterdir())[0]
    sample.write_bytes(sample.read_bytes())
    with pytest.raises(UsageError, match="other images or labels"):
        run(plan)
    broken = damaged_copy(artifact, tmp_path / "broken")
    with pytest.raises(UsageError, match="another artefact"):
        run(plan, artifact=broken)
    anew, _ = run(plan, artifact=broken, resume=False)
    assert (anew.report.run.images, anew.report.run.resumed) == (40, 0)


def test_an_unreadable_image_is_named_or_skipped(artifact, digits_folder, tmp_path):
    data = shutil.copytree(digits_folder, tmp_path / "data")
    victim = sorted((data / "4").iterdir())[0]
    victim.write_bytes(victim.read_bytes()[:40])
    plan = EvaluationPlan(Source(data), artifact, tmp_path / "out", runtime="ort")
    with pytest.raises(InputFileError, match=re.escape(victim.name)):
        run(plan)
    outcome, _ = run(plan, skip_unreadable=True, output=tmp_path / "skipped")
    ((name, reason),) = outcome.report.summary.skipped
    assert name == f"4/{victim.name}"
    assert victim.name in reason
    assert outcome.report.summary.top1.total == 449
    assert lasting(tmp_path / "skipped")["skipped"] == [[name, reason]]


def test_a_graph_that_normalises_itself(digits_artifact, digits_folder, compared, tmp_path):
    plan, expected = compared
    raw = digits_artifact("fp32", preprocess=True, engine=False)
    outcome, _ = run(plan, artifact=raw, output=tmp_path / "out")
    assert outcome.report.summary.top1 == expected.report.summary.top1
    assert outcome.report.summary.agreement.nmse < 1e-10


def test_named_classes_may_be_in_another_order(artifact, digits_folder, tmp_path):
    words = ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"]
    for digit, word in enumerate(words):
        shutil.copytree(digits_folder / str(digit), tmp_path / "data" / word)
    (tmp_path / "classes.txt").write_text("\n".join(words))
    source = Source(tmp_path / "data", classes_file=tmp_path / "classes.txt")
    plan = EvaluationPlan(source, artifact, tmp_path / "out", runtime="ort", limit=100)
    named, _ = run(plan)
    assert named.report.summary.top1.share >= 0.97
    # Sorted, "eight" would be class 0: what torchvision means, but not what this model learned.
    mistaken, _ = run(plan, source=Source(tmp_path / "data"), output=tmp_path / "sorted")
    assert mistaken.report.summary.top1.share < 0.5
    assert "torchvision" in mistaken.report.data.rule


def test_two_runs_cannot_write_one_folder(compared):
    plan, _ = compared

    def begin_another(event):
        if event.event == "step-started" and event.step == "report":
            run_evaluation(plan, lambda _event: None)

    with pytest.raises(ResourceError, match="is being written by process"):
        run_evaluation(plan, begin_another)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"batch": 0}, "--batch must be at least 1"),
        ({"top_k": 0}, "--top-k must be at least 1"),
        ({"limit": 0}, "--limit must be at least 1"),
        (
            {"against": None, "thresholds": Thresholds(max_changed=3)},
            "--max-changed needs --against",
        ),
    ],
)
def test_numbers_that_make_no_sense(compared, changes, words):
    with pytest.raises(UsageError, match=words):
        run(compared[0], **changes)


def test_an_artefact_that_is_not_there(compared, tmp_path):
    with pytest.raises(InputFileError, match="no artefact folder"):
        run(compared[0], artifact=tmp_path / "absent")


def test_weights_that_are_others(compared, tmp_path):
    golden = Path(__file__).parents[1] / "data" / "golden" / "vssm_s1.pth"
    with pytest.raises(InputFileError, match="exported from"):
        run(compared[0], weights=str(golden), output=tmp_path / "out")
