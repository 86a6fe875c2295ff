"""What compare judges beside the limits of a precision: images and tolerances of a user's."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from click.testing import CliRunner, Result

from vmamba_deploy.cli import cli
from vmamba_deploy.errors import ExitCode, UsageError
from vmamba_deploy.exporting.onnx_model import OnnxModel
from vmamba_deploy.pipeline.given_inputs import given_sets
from vmamba_deploy.pipeline.parity import load_reference
from vmamba_deploy.preprocessing import preprocess


@pytest.fixture(scope="module")
def folder(digits_artifact: Any) -> Path:
    artifact: Path = digits_artifact("fp32", engine=False)
    return artifact


@pytest.fixture
def pictures(digits_folder: Path, tmp_path: Path) -> Path:
    """Five images of two classes."""
    taken = sorted(digits_folder.rglob("3/*.png"))[:3] + sorted(digits_folder.rglob("7/*.png"))[:2]
    for image in taken:
        (tmp_path / "pictures" / image.parent.name).mkdir(parents=True, exist_ok=True)
        shutil.copy(image, tmp_path / "pictures" / image.parent.name)
    return tmp_path / "pictures"


def compare(*words: object) -> Result:
    return CliRunner().invoke(cli, ["compare", *map(str, words)])


def result_of(said: Result) -> dict[str, Any]:
    line: dict[str, Any] = json.loads(said.stdout.splitlines()[-1])
    return line


def test_images_become_sets_as_the_file_prepares_them(folder: Path, pictures: Path) -> None:
    facts = OnnxModel.read(folder / "model.onnx")
    prepared = load_reference(facts).preprocessing
    assert prepared is not None
    first, second = given_sets(pictures, facts, prepared, batch=4, limit=None)
    assert (first.name.endswith("and 3 more"), first.batch, second.batch) == (True, 4, 1)
    assert [Path(name).parent.name for name in first.images] == ["3", "3", "3", "7"]
    sized = prepared.for_size(facts.image_size())
    wanted = preprocess(pictures / second.images[0], sized)
    np.testing.assert_array_equal(second.pixel_values[0], wanted)
    (limited,) = given_sets(pictures, facts, prepared, batch=4, limit=2)
    assert limited.batch == 2


def test_a_folder_is_compared_on_images_and_every_element_is_counted(
    folder: Path, pictures: Path, tmp_path: Path
) -> None:
    words = ("--images", pictures, "--batch", 2, "--atol", "1e-3", "--report", tmp_path / "out")
    said = compare(folder, *words, "--json")
    assert said.exit_code == ExitCode.OK, said.output
    runs = {run["runtime"]: run for run in result_of(said)["parity"]}
    elements = runs["onnxruntime-library"]["elements"]
    assert elements["tolerance"] == {"atol": 1e-3, "rtol": 1e-5}
    assert elements["beyond"] == 0
    assert 0 < elements["worst"] < 1
    report = json.loads((tmp_path / "out" / "report.json").read_text())
    (run,) = (one for one in report["runs"] if one["runtime"] == "onnxruntime-library")
    given = [one for one in run["inputs"] if "png" in one["name"]]
    assert [one["batch"] for one in given] == [2, 2, 1]
    assert elements["elements"] == 10 * sum(one["batch"] for one in run["inputs"])
    assert "Every element" in (tmp_path / "out" / "report.html").read_text()


def test_a_tolerance_that_rounding_exceeds_fails(folder: Path) -> None:
    said = compare(folder, "--batch", 1, "--atol", 0, "--rtol", "1e-9")
    assert said.exit_code == ExitCode.PARITY_FAILED
    for text in ("beyond tolerance", "elements are beyond atol 0 + rtol 1e-09", "logits"):
        assert text in said.output


def test_a_damaged_image_is_named(folder: Path, pictures: Path) -> None:
    (pictures / "3" / "0000.png").write_bytes(b"\x89PNG\r\n\x1a\nnothing more")
    said = compare(folder, "--images", pictures, "--batch", 1)
    assert said.exit_code == ExitCode.BAD_INPUT
    assert "0000.png" in said.output


def test_arrays_by_name_are_taken_as_they_are(folder: Path, tmp_path: Path) -> None:
    pixels = np.random.default_rng(0).standard_normal((3, 3, 32, 32), dtype=np.float32)
    np.savez(tmp_path / "some.npz", pixel_values=pixels)
    facts = OnnxModel.read(folder / "model.onnx")
    (one,) = given_sets(tmp_path / "some.npz", facts, None, batch=1, limit=None)
    assert (one.name, one.batch) == ("some.npz", 3)
    np.testing.assert_array_equal(one.pixel_values, pixels)


def test_images_that_cannot_be_inputs(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("no image")
    for path, text in (
        (tmp_path / "gone", "there is no folder"),
        (tmp_path, "has no image in it"),
        (tmp_path / "notes.txt", "neither a folder of images nor a file of arrays"),
    ):
        said = compare(folder, "--images", path)
        assert said.exit_code == ExitCode.BAD_INPUT
        assert text in said.output


def test_a_network_that_says_nothing_of_images_takes_arrays(folder: Path, pictures: Path) -> None:
    facts = OnnxModel.read(folder / "model.onnx")
    with pytest.raises(UsageError, match="nothing says how images become") as refused:
        given_sets(pictures, facts, None, batch=1, limit=None)
    assert "--images FILE.npz" in str(refused.value.hint)


@pytest.fixture(scope="module")
def half(digits_artifact: Any) -> Path:
    artifact: Path = digits_artifact("fp16", engine=False)
    return artifact


def changed(source: Path, target: Path, change: Any) -> Path:
    """A copy of a model, without what lies beside it, after a change."""
    model = onnx.load(source / "model.onnx")
    change(model)
    onnx.save(model, target)
    return target


def test_two_artefacts_agree_by_the_limits_of_the_coarser_one(
    folder: Path, half: Path, tmp_path: Path
) -> None:
    copy = shutil.copyfile(folder / "model.onnx", tmp_path / "lone.onnx")
    said = compare(half, "--against", copy, "--batch", 2, "--report", tmp_path / "out", "--json")
    assert said.exit_code == ExitCode.OK, said.output
    told = result_of(said)
    assert told["statement"].startswith(f"agrees with {copy} in ")
    assert "PyTorch" not in told["statement"]
    runs = {run["runtime"]: run for run in told["parity"]}
    assert "pytorch" not in runs
    assert runs["onnxruntime-library"]["status"] == "passed"
    # fp16 beside fp32: further than fp32's limits, within those of fp16.
    assert 1e-10 < runs["onnxruntime-library"]["metrics"]["nmse"] < 1e-4
    report = json.loads((tmp_path / "out" / "report.json").read_text())
    assert (report["reference"], report["verdict"]) == (str(copy), "passed")
    assert report["weights"]["sha256"]
    page = (tmp_path / "out" / "report.html").read_text()
    assert f"Each runtime is compared with {copy}." in page


def test_the_other_way_round_the_limits_are_the_same(folder: Path, half: Path) -> None:
    said = compare(folder, "--against", half, "--batch", 1)
    assert said.exit_code == ExitCode.OK, said.output
    assert f"Parity with {half}" in said.output


def test_a_changed_weight_is_found(folder: Path, tmp_path: Path) -> None:
    def scaled(model: onnx.ModelProto) -> None:
        (weight,) = (one for one in model.graph.initializer if one.name.endswith("head.weight"))
        values = onnx.numpy_helper.to_array(weight) * np.float32(1.01)
        weight.CopyFrom(onnx.numpy_helper.from_array(values, weight.name))

    other = changed(folder, tmp_path / "other.onnx", scaled)
    said = compare(folder, "--against", other, "--batch", 1)
    assert said.exit_code == ExitCode.PARITY_FAILED, said.output
    assert f"disagrees with {other}" in said.output


def test_inputs_that_differ_are_named(folder: Path, tmp_path: Path) -> None:
    def larger(model: onnx.ModelProto) -> None:
        for axis in model.graph.input[0].type.tensor_type.shape.dim[2:]:
            axis.dim_value = 64

    def renamed(model: onnx.ModelProto) -> None:
        old, model.graph.input[0].name = model.graph.input[0].name, "image"
        for node in model.graph.node:
            node.input[:] = ["image" if name == old else name for name in node.input]

    for change, text in (
        (larger, "the input pixel_values is float32[batch,3,32,32] in"),
        (renamed, "takes pixel_values, and"),
    ):
        other = changed(folder, tmp_path / f"{change.__name__}.onnx", change)
        said = compare(folder, "--against", other)
        assert said.exit_code == ExitCode.BAD_INPUT, said.output
        assert text in said.output
        assert other.name in said.output


def test_what_pytorch_needs_is_refused_where_it_takes_no_part(folder: Path) -> None:
    said = compare(folder, "--against", folder, "--weights", "x.safetensors")
    assert said.exit_code == ExitCode.USAGE
    assert "--against takes its place" in said.output
