import json
import math
import re
import socket
from dataclasses import replace

import jsonschema
import pytest

from vmamba_deploy.errors import InputFileError
from vmamba_deploy.reports.json_file import as_json, read_json, report_schema, write_json
from vmamba_deploy.reports.model import EngineInfo, WeightsInfo


def test_schema_is_itself_valid():
    jsonschema.Draft202012Validator.check_schema(report_schema())


def test_report_survives_the_file(make_report, tmp_path):
    report = make_report()
    write_json(report, tmp_path / "report.json")
    assert read_json(tmp_path / "report.json") == report
    assert [path.name for path in tmp_path.iterdir()] == ["report.json"]


def test_file_has_the_documented_fields_and_no_host_name(make_report, tmp_path):
    write_json(make_report(), tmp_path / "report.json")
    text = (tmp_path / "report.json").read_text()
    content = json.loads(text)
    assert content["schema_version"] == "1.0"
    assert {"preset", "precision", "weights", "engine", "runs", "layers", "timings"} <= set(content)
    names = "built flavour version plugin_layers size_bytes build_seconds reason"
    assert set(content["engine"]) == set(names.split())
    first = content["runs"][0]
    assert {"runtime", "status", "reason", "inputs", "metrics", "thresholds"} == set(first)
    figures = "max_abs mean_abs nmse cosine top1_agreement top5_agreement"
    assert set(figures.split()) <= set(first["metrics"])
    assert not re.search(rf"\b{re.escape(socket.gethostname())}\b", text)


def test_nan_is_null_in_the_file_and_nan_again_when_read(
    make_report, make_run, broken_metrics, tmp_path
):
    failed = make_run("tensorrt", "failed", "5 output values are NaN", broken_metrics)
    write_json(make_report(failed), tmp_path / "r.json")
    assert json.loads((tmp_path / "r.json").read_text())["runs"][0]["metrics"]["nmse"] is None
    back = read_json(tmp_path / "r.json")
    assert math.isnan(back.runs[0].metrics.nmse)
    assert back.verdict == "failed"


@pytest.mark.parametrize(
    ("statuses", "verdict"),
    [
        (("passed", "skipped"), "passed"),
        (("passed", "failed"), "failed"),
        (("skipped", "skipped"), "unproven"),
    ],
)
def test_verdict(make_report, make_run, statuses, verdict):
    names = ("onnxruntime-body", "tensorrt")
    runs = [
        make_run(name, status, "" if status == "passed" else "because")
        for name, status in zip(names, statuses, strict=True)
    ]
    assert as_json(make_report(*runs))["verdict"] == verdict


def test_contradictions_are_not_written(make_report, make_run, tmp_path):
    skipped_without_reason = make_report(make_run("tensorrt", "skipped"))
    passed_without_figures = make_report(replace(make_run("tensorrt", "passed"), metrics=None))
    unbuilt_without_reason = make_report(engine=EngineInfo(False))
    built_without_size = make_report(engine=EngineInfo(True, "tensorrt", "11.1", 14))
    wrong_hash = make_report(weights=WeightsInfo("x", "12"))
    unknown_runtime = make_report(replace(make_run("tensorrt", "passed"), runtime="magic"))
    for report in (
        skipped_without_reason,
        passed_without_figures,
        unbuilt_without_reason,
        built_without_size,
        wrong_hash,
        unknown_runtime,
    ):
        with pytest.raises(jsonschema.ValidationError):
            write_json(report, tmp_path / "report.json")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("content", "word"),
    [("{", "cannot read"), ("{}", "not a report"), ('{"schema_version": "9"}', "not a report")],
)
def test_other_files_are_refused(tmp_path, content, word):
    path = tmp_path / "report.json"
    path.write_text(content)
    with pytest.raises(InputFileError, match=word):
        read_json(path)
    with pytest.raises(InputFileError, match="cannot read"):
        read_json(tmp_path / "absent.json")
