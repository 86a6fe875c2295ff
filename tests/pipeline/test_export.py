import importlib.util
import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from click.testing import CliRunner

from vmamba_deploy import native
from vmamba_deploy.artifacts.verification import verify
from vmamba_deploy.cli import cli
from vmamba_deploy.errors import ExitCode, InputFileError, IntegrityError, UsageError
from vmamba_deploy.exporting.onnx_model import OnnxModel
from vmamba_deploy.inference import load
from vmamba_deploy.parity.inputs import load_photo
from vmamba_deploy.pipeline.bench import BenchPlan, run_bench
from vmamba_deploy.pipeline.compare import run_compare
from vmamba_deploy.pipeline.engine import run_build
from vmamba_deploy.pipeline.events import Steps
from vmamba_deploy.pipeline.export import run_export
from vmamba_deploy.pipeline.info import describe_path
from vmamba_deploy.pipeline.parity import load_reference
from vmamba_deploy.pipeline.plan import ExportPlan
from vmamba_deploy.precisions import PRECISIONS, Thresholds
from vmamba_deploy.runtimes.tensorrt.plan import EnginePlan

GOLDEN = Path(__file__).parents[1] / "data" / "golden"
HAS_RTX = importlib.util.find_spec("tensorrt_rtx") is not None
HAS_TORCH_LIBRARY = native.available("vmamba_torch")[0]


def ignore(_event):
    pass


@pytest.mark.slow
def test_the_export_is_whole_and_proven(exported):
    outcome, events = exported
    assert outcome.exit_code == ExitCode.OK
    manifest = verify(outcome.folder)
    assert manifest.status == "complete"
    status = {result.runtime: result.status for result in outcome.parity}
    assert status["pytorch"] == "passed"
    assert status["onnxruntime-body"] == "passed"
    assert status["onnxruntime-library"] == "passed"
    if HAS_TORCH_LIBRARY:
        assert status["aotinductor"] == "passed"
        assert {"model.pt2", "libvmamba_torch.so"} <= set(manifest.files)
    finished = [event.step for event in events if event.event == "step-finished"]
    assert finished[0] == "weights"
    assert finished[-1] == "publish"
    json.dumps(outcome.as_json())


@pytest.mark.skipif(not HAS_RTX, reason="tensorrt_rtx is not installed")
def test_the_engine_holds_one_plugin_per_scan(exported):
    outcome, _ = exported
    engine = outcome.manifest.engine
    scans = OnnxModel.read(outcome.folder / "model.onnx").nodes_by_op["SelectiveScan2D"]
    assert engine.plugin_layers == scans > 0
    assert engine.profile.max == (4, 3, 32, 64)
    assert {"model.engine", "libvmamba_trt.so"} <= set(outcome.manifest.files)


def test_the_report_tells_every_runtime_and_layer(exported):
    outcome, _ = exported
    report = json.loads((outcome.folder / "report.json").read_text())
    assert report["verdict"] == "passed"
    named = {run["runtime"]: run for run in report["runs"]}
    assert {"pytorch", "onnxruntime-body", "onnxruntime-library"} < set(named)
    assert report["engine"]["built"] == HAS_RTX
    (series,) = report["layers"]
    assert len(series["errors"]) > 5
    assert series["first_drift"] is None
    assert "<svg" in (outcome.folder / "report.html").read_text()


def test_a_failed_parity_goes_elsewhere_and_keeps_the_old_folder(exported, tmp_path, monkeypatch):
    outcome, _ = exported
    target = tmp_path / "out"
    shutil.copytree(outcome.folder, target)
    before = (target / "manifest.json").read_bytes()
    impossible = Thresholds(nmse=0.0, cosine=2.0, max_spread=0.0)
    monkeypatch.setitem(PRECISIONS, "fp32", replace(PRECISIONS["fp32"], thresholds=impossible))
    plan = ExportPlan(
        model=None,
        weights=str(GOLDEN / "vssm_s1.pth"),
        output=target,
        image_size=(32, 32),
        build_engine=False,
        engine=EnginePlan(batches=(1,)),
    )
    failed = run_export(plan, ignore)
    assert failed.exit_code == ExitCode.PARITY_FAILED
    assert failed.folder == tmp_path / "out.failed"
    assert (target / "manifest.json").read_bytes() == before
    assert json.loads((failed.folder / "report.json").read_text())["verdict"] == "failed"
    with pytest.raises(IntegrityError, match="marked as failed"):
        verify(failed.folder)


def test_compare_reads_the_folder_back(exported):
    results = run_compare(exported[0].folder, ignore, batches=(3,)).parity
    assert {result.status for result in results} <= {"passed", "skipped"}
    assert sum(result.status == "passed" for result in results) >= 3


@pytest.mark.parametrize("victim", ["model.onnx", "manifest.json"])
def test_a_tampered_folder_is_refused_by_every_command(exported, tmp_path, victim):
    folder = tmp_path / "copy"
    shutil.copytree(exported[0].folder, folder)
    content = (folder / victim).read_bytes()
    (folder / victim).write_bytes(content.replace(b"pixel_values", b"pixel_valuez").rstrip(b"}\n"))
    for command in ("info", "compare", "bench", "build"):
        result = CliRunner().invoke(cli, [command, str(folder)])
        assert result.exit_code == ExitCode.INTEGRITY, (command, result.output)
        assert "Traceback" not in result.output


def test_bench_measures_all_that_lies_in_the_folder(exported):
    outcome = run_bench(exported[0].folder, BenchPlan(batches=(1, 2), repeats=2))
    rows = {(row.runtime, row.batch): row for row in outcome.latencies}
    here = ["pytorch", "onnxruntime-body", "onnxruntime-library"]
    assert {(name, batch) for name in here for batch in (1, 2)} <= rows.keys()
    for row in rows.values():
        times = row.times
        assert 0 < times.min_ms <= times.p50_ms <= times.p90_ms <= times.p99_ms <= times.max_ms
        yardstick = rows["pytorch", row.batch].images_per_second
        assert row.speedup == pytest.approx(row.images_per_second / yardstick)
    # On a machine without a GPU, an engine is told of and not left out in silence.
    engine = exported[0].manifest.engine
    assert not engine.built or engine.flavour in {*outcome.skipped, *(name for name, _ in rows)}


@pytest.mark.skipif(not HAS_RTX, reason="tensorrt_rtx is not installed")
def test_build_from_the_onnx_file_alone(exported, tmp_path):
    source = tmp_path / "other.onnx"
    shutil.copyfile(exported[0].folder / "model.onnx", source)
    folder, manifest = run_build(source, None, EnginePlan("rtx", (1,), embed_plugin=True), ignore)
    assert folder == tmp_path / "other-engine"
    assert verify(folder, flavour="tensorrt_rtx") == manifest
    assert manifest.status == "unproven"
    assert manifest.engine.plugin.delivery == "embedded"
    assert set(manifest.files) == {
        "model.onnx",
        "model.engine",
        "libvmamba_ort.so",
        "libvmamba_openvino.so",
    }
    assert describe_path(folder / "model.engine")["plugin_layers"] > 0


def test_info_knows_checkpoints_and_onnx_files(exported):
    checkpoint = describe_path(GOLDEN / "vssm_s1.pth")
    assert checkpoint["classes"] == 10
    described = describe_path(exported[0].folder / "model.onnx")
    assert described["has_function_body"]
    assert described["metadata"]["weights_sha256"] == checkpoint["sha256"]


def test_the_reference_must_be_the_same_weights(exported):
    facts = OnnxModel.read(exported[0].folder / "model.onnx")
    assert load_reference(facts).model.config.num_classes == 10
    with pytest.raises(InputFileError, match="was exported from"):
        load_reference(facts, str(GOLDEN / "vssm_s2.pth"))
    facts.ir.metadata_props.clear()
    with pytest.raises(InputFileError, match="does not name its weights"):
        load_reference(facts)


def test_the_reference_is_found_where_the_manifest_says_beside_the_file_or_here(
    exported, tmp_path, monkeypatch
):
    onnx_file, weights = exported[0].folder / "model.onnx", GOLDEN / "vssm_s1.pth"
    assert exported[0].manifest.weights.source == str(weights)
    alone = tmp_path / "alone"
    alone.mkdir()
    shutil.copy(onnx_file, alone)
    facts = OnnxModel.read(alone / "model.onnx")
    with pytest.raises(InputFileError, match=r"not at .*vssm_s1\.pth or vssm_s1\.pth"):
        load_reference(facts)
    shutil.copy(GOLDEN / "vssm_s2.pth", alone / weights.name)  # others, under the same name
    here = tmp_path / "here"
    here.mkdir()
    shutil.copy(weights, here)
    monkeypatch.chdir(here)
    assert load_reference(facts).source == weights.name
    shutil.copy(weights, alone)
    assert load_reference(facts).source == str(alone / weights.name)


def test_an_inlined_folder_is_proven_and_no_engine_is_built_of_it(tmp_path):
    plan = ExportPlan(
        model=None,
        weights=str(GOLDEN / "vssm_s1.pth"),
        output=tmp_path / "out",
        image_size=(32, 32),
        inline=True,
        build_engine=False,
        engine=EnginePlan(batches=(1,)),
    )
    outcome = run_export(plan, ignore)
    assert outcome.manifest.status == "complete"
    assert outcome.manifest.onnx.op_sets == {"ai.onnx": 20}
    assert set(outcome.manifest.files) == {"model.onnx", "report.json", "report.html"}
    assert "onnxruntime-library" not in {result.runtime for result in outcome.parity}
    with pytest.raises(InputFileError, match=r"out/model\.onnx has no node for the plugin"):
        run_build(outcome.folder, None, EnginePlan(batches=(1,)), ignore)
    with pytest.raises(UsageError, match="engine's plugin"):
        replace(plan, build_engine=True)


@pytest.fixture(scope="module")
def one_logit(tmp_path_factory):
    """A network for yes or no: its folder, and its weights."""
    folder = tmp_path_factory.mktemp("one-logit")
    small = torch.load(GOLDEN / "vssm_s1_backbone.pth", weights_only=True)["state_dict"]
    weights = {name.removeprefix("backbone."): value for name, value in small.items()}
    channels = len(weights["outnorm3.weight"])
    weights = {name: value for name, value in weights.items() if "outnorm" not in name}
    weights |= {
        "classifier.norm.weight": torch.ones(channels),
        "classifier.norm.bias": torch.zeros(channels),
        "classifier.head.weight": torch.randn(1, channels),
        "classifier.head.bias": torch.randn(1),
    }
    torch.save({"model": weights}, folder / "one.pth")
    plan = ExportPlan(
        model=None,
        weights=str(folder / "one.pth"),
        output=folder / "out",
        precision="fp16",
        image_size=(32, 32),
        build_engine=False,
        engine=EnginePlan(batches=(1, 2)),
    )
    return run_export(plan, ignore)


def test_a_single_logit_is_proven_and_its_probability_is_its_sigmoid(one_logit, tmp_path):
    assert one_logit.exit_code == ExitCode.OK, one_logit.manifest.status_reason
    assert one_logit.manifest.activation == "sigmoid"
    with load(one_logit.folder, runtime="ort") as model:
        logits = model(model.preprocess([load_photo("cat"), load_photo("coffee")]))
        shares = [best.probability for (best,) in model.top(logits, 5)]
    assert shares == pytest.approx((1 / (1 + np.exp(-logits[:, 0]))).tolist(), abs=1e-6)
    load_photo("cat").save(tmp_path / "photo.png")
    arguments = [str(one_logit.folder), str(tmp_path / "photo.png"), "--runtime", "ort", "--json"]
    told = CliRunner().invoke(cli, ["predict", *arguments])
    assert json.loads(told.stdout.splitlines()[-1])["activation"] == "sigmoid"
    refused = CliRunner().invoke(cli, ["evaluate", str(one_logit.folder), "--data", str(tmp_path)])
    assert (refused.exit_code, "single logit" in refused.output) == (ExitCode.USAGE, True)


def test_steps_time_and_announce():
    events = []
    steps = Steps(events.append)
    with steps.step("export", "exporting") as told:
        steps.progress("half", 0.5)
        told.append("done")
    assert [event.event for event in events] == ["step-started", "progress", "step-finished"]
    assert events[1].as_json() == {
        "event": "progress", "message": "half", "step": "export", "fraction": 0.5
    }  # fmt: skip
    assert events[2].message == "done"
    assert steps.seconds["export"] >= 0
