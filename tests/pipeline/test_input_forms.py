"""Files with a free size, with the preprocessing inside, or with their weights in another file."""

import json
import shlex
import shutil
from dataclasses import replace
from pathlib import Path

import onnx
import pytest

from vmamba_deploy.artifacts.verification import verify
from vmamba_deploy.errors import ExitCode, InputFileError
from vmamba_deploy.exporting.onnx_model import OnnxModel
from vmamba_deploy.pipeline.compare import run_compare
from vmamba_deploy.pipeline.engine import run_build
from vmamba_deploy.pipeline.export import run_export
from vmamba_deploy.pipeline.parity import load_reference, parity_inputs
from vmamba_deploy.pipeline.plan import ExportPlan
from vmamba_deploy.runtimes.tensorrt.flavour import TENSORRT_RTX
from vmamba_deploy.runtimes.tensorrt.plan import EnginePlan

GOLDEN = Path(__file__).parents[1] / "data" / "golden"
HAS_RTX = TENSORRT_RTX.installed


def ignore(_event):
    pass


def small_plan(output, **options):
    return ExportPlan(
        model=None,
        weights=str(GOLDEN / "vssm_s2.pth"),
        output=output,
        build_engine=HAS_RTX,
        engine=EnginePlan(flavour="rtx", batches=(1, 2)),
        **options,
    )


@pytest.fixture(scope="module")
def free_bytes(tmp_path_factory):
    """One export of a graph that takes camera images of any size."""
    output = tmp_path_factory.mktemp("free") / "out"
    return run_export(
        small_plan(output, image_size=(64, 64), dynamic_size=True, preprocess=True), ignore
    )


@pytest.fixture(scope="module")
def two_files(tmp_path_factory):
    """One export whose weights lie beside the graph."""
    output = tmp_path_factory.mktemp("two") / "out"
    with pytest.MonkeyPatch.context() as patch:
        options = ExportPlan.export_options
        patch.setattr(
            ExportPlan, "export_options", lambda self: replace(options(self), external_data_bytes=1)
        )
        return run_export(small_plan(output, image_size=(32, 32)), ignore)


def test_a_free_size_is_proven_at_the_ends_of_the_profile(free_bytes):
    assert free_bytes.exit_code == ExitCode.OK
    report = json.loads((free_bytes.folder / "report.json").read_text())
    (library,) = (run for run in report["runs"] if run["runtime"] == "onnxruntime-library")
    names = {one["name"] for one in library["inputs"] if one["passed"]}
    assert {
        "photos-b1", "photos-b2", "photos-b1-32x32", "photos-b1-32x128", "photos-b1-128x128"
    } <= names  # fmt: skip
    if HAS_RTX:
        profile = free_bytes.manifest.engine.profile
        assert (profile.min, profile.max) == ((1, 32, 32, 3), (2, 128, 128, 3))


def test_the_report_has_layers_by_input_and_differences_of_logits(free_bytes):
    report = json.loads((free_bytes.folder / "report.json").read_text())
    assert report["inputs"][0]["shape"] == ["batch", "height", "width", 3]
    (series, *_) = report["layers"]
    assert [one["name"] for one in series["inputs"]] == ["cat", "normal", "black"]
    assert series["inputs"][0]["nmse"] == [error["nmse"] for error in series["errors"]]
    ran = {run["runtime"] for run in report["runs"] if run["status"] == "passed"}
    assert {one["runtime"] for one in report["differences"]} == ran
    folder = str(free_bytes.folder)
    assert [one["line"] for one in report["commands"]] == [
        shlex.join(["vmamba-deploy", "compare", folder, "--report", f"{folder}-compared"]),
        shlex.join(["vmamba-deploy", "bench", folder]),
    ]
    page = (free_bytes.folder / "report.html").read_text(encoding="utf-8")
    assert page.count('<div class="photo">') == 2
    assert len(page) < 400_000


def test_a_graph_that_takes_bytes_is_given_whole_images(free_bytes):
    facts = OnnxModel.read(free_bytes.folder / "model.onnx")
    inputs = parity_inputs(facts, load_reference(facts).preprocessing, (2,))
    assert {one.pixel_values.dtype.name for one in inputs} == {"uint8"}
    assert inputs[0].pixel_values.shape == (2, 64, 64, 3)


def test_the_data_file_is_listed_compared_and_built(two_files, tmp_path):
    assert two_files.exit_code == ExitCode.OK
    manifest = verify(two_files.folder)
    assert manifest.files["model.onnx.data"].size_bytes > 100_000
    assert manifest.files["model.onnx"].size_bytes < 500_000
    results = run_compare(two_files.folder, ignore, batches=(1,)).parity
    passed = {result.runtime for result in results if result.status == "passed"}
    assert {"pytorch", "onnxruntime-body", "onnxruntime-library"} <= passed
    assert not [result for result in results if result.status == "failed"]
    if HAS_RTX:
        folder, built = run_build(two_files.folder, tmp_path / "b", EnginePlan("rtx", (1,)), ignore)
        assert "model.onnx.data" in built.files
        assert verify(folder).engine.plugin_layers > 0


def test_a_missing_or_distant_data_file_is_named(two_files, tmp_path):
    alone = tmp_path / "model.onnx"
    shutil.copyfile(two_files.folder / "model.onnx", alone)
    with pytest.raises(InputFileError, match=r"model\.onnx\.data beside it"):
        OnnxModel.read(alone)
    model = onnx.load(str(alone), load_external_data=False)
    for tensor in model.graph.initializer:
        for entry in tensor.external_data:
            entry.value = "../secret" if entry.key == "location" else entry.value
    alone.write_bytes(model.SerializeToString())
    with pytest.raises(InputFileError, match="not beside it"):
        OnnxModel.read(alone)
