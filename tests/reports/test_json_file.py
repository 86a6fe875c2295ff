import json
import os
import re
import socket
from dataclasses import replace
from pathlib import Path

import jsonschema
import pytest

from vmamba_deploy.parity.metrics import Metrics
from vmamba_deploy.parity.results import InputResult, OutputResult, RunResult
from vmamba_deploy.precisions import PRECISIONS
from vmamba_deploy.reports.html_file import render_html, write_page
from vmamba_deploy.reports.json_file import plain, write_json
from vmamba_deploy.reports.model import EngineInfo, WeightsInfo
from vmamba_deploy.reports.schema import schema_of


def test_the_file_fits_its_schema(make_report, make_run, broken_metrics, tmp_path):
    """The generated schema too: figures that are not finite are null."""
    schema = schema_of("report")
    jsonschema.Draft202012Validator.check_schema(schema)
    failed = make_run("tensorrt", "failed", "5 output values are NaN", broken_metrics)
    unbuilt = EngineInfo(False, reason="not asked for")
    for report in (make_report(), make_report(failed, engine=unbuilt)):
        write_json(report, tmp_path / "report.json")
        content = json.loads((tmp_path / "report.json").read_text())
        jsonschema.validate(content, schema)
        for spoilt in ({"verdict": "good"}, {"preset": 1}, {"runs": [{}]}):
            with pytest.raises(jsonschema.ValidationError):
                jsonschema.validate(content | spoilt, schema)
    assert content["runs"][0]["metrics"]["nmse"] is None
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
    assert set(first) == {
        *("runtime", "status", "reason", "inputs", "metrics", "thresholds"),
        *("output", "outputs", "elements"),
    }
    figures = "max_abs mean_abs nmse cosine top1_agreement top5_agreement"
    assert set(figures.split()) <= set(first["metrics"])
    assert not re.search(rf"\b{re.escape(socket.gethostname())}\b", text)


def maps_run():
    figures = {
        f"feature{stage - 1}": Metrics(11, 0, 3e-6, 4e-7, 2e-6, 1e-5, stage * 1e-13, 1 - 1e-13)
        for stage in (1, 2, 3, 4)
    }
    worst = figures["feature3"]
    return RunResult(
        "tensorrt",
        "passed",
        "",
        PRECISIONS["fp16"].thresholds,
        (InputResult("photos-b1", 1, True, "", worst, 0.1, output="feature3"),),
        worst,
        "feature3",
        tuple(OutputResult(name, "map", one) for name, one in figures.items()),
    )


def test_a_backbone_has_figures_of_each_map_and_none_of_classes(make_report, tmp_path):
    report = make_report(maps_run(), task="features")
    write_json(report, tmp_path / "r.json")
    content = json.loads((tmp_path / "r.json").read_text())
    assert content["task"] == "features"
    (run,) = content["runs"]
    assert [(one["name"], one["kind"]) for one in run["outputs"]] == [
        (f"feature{stage - 1}", "map") for stage in (1, 2, 3, 4)
    ]
    assert run["output"] == "feature3"
    assert run["metrics"] == run["outputs"][3]["metrics"]
    assert not {"top1_agreement", "decided"} & set(run["metrics"])
    page = render_html(report)
    assert "4 outputs; feature3 has the largest error" in page
    assert "feature0" in page


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
    assert plain(make_report(*runs))["verdict"] == verdict


def test_names_that_are_no_text_are_written_out(make_report, tmp_path):
    """A file name may hold any bytes: Python hands them on as lone surrogates."""
    odd = os.fsdecode(b"caf\xe9 \\ \xff.pth")
    report = make_report(weights=WeightsInfo(odd, "0" * 64), tools={odd: "1"})
    write_json(report, tmp_path / "report.json")
    content = json.loads((tmp_path / "report.json").read_bytes().decode("utf-8"))
    assert content["weights"]["source"] == r"caf\xe9 \ \xff.pth"
    assert list(content["tools"]) == [r"caf\xe9 \ \xff.pth"]
    assert plain({"path": Path(odd)}) == {"path": r"caf\xe9 \ \xff.pth"}
    write_page(render_html(report), tmp_path / "report.html")
    assert r"caf\xe9" in (tmp_path / "report.html").read_text(encoding="utf-8")


def test_contradictions_are_not_written(make_report, make_run, tmp_path):
    contradictions = (
        lambda: make_report(make_run("tensorrt", "skipped")),
        lambda: make_report(replace(make_run("tensorrt", "passed"), metrics=None)),
        lambda: make_report(replace(make_run("tensorrt", "passed"), inputs=())),
        lambda: make_report(replace(make_run("tensorrt", "passed"), status="skipped", reason="x")),
        lambda: make_report(engine=EngineInfo(False)),
        lambda: make_report(engine=EngineInfo(True, "tensorrt", "11.1", 14)),
        lambda: make_report(weights=WeightsInfo("x", "12")),
        lambda: make_report(precision="int3"),
    )
    for report in contradictions:
        with pytest.raises(ValueError, match=r"Expected|Invalid|cannot be|needs"):
            write_json(report(), tmp_path / "report.json")
    assert not list(tmp_path.iterdir())
