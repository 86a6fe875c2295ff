"""One exported file in OpenVINO with our extension."""

from __future__ import annotations

import shutil
from functools import cache
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from vmamba_deploy import native
from vmamba_deploy.errors import (
    BuildError,
    ClosedError,
    EnvironmentProblem,
    InputFileError,
    VmambaError,
)
from vmamba_deploy.exporting.onnx_file import export_onnx
from vmamba_deploy.exporting.onnx_model import OnnxModel
from vmamba_deploy.exporting.options import ExportOptions
from vmamba_deploy.inference import load
from vmamba_deploy.models import load_weights
from vmamba_deploy.runtimes import openvino as runtime
from vmamba_deploy.runtimes import openvino_flatten, openvino_graph
from vmamba_deploy.runtimes.base import ModelFiles
from vmamba_deploy.runtimes.onnxruntime import OnnxRuntimeLibrary
from vmamba_deploy.runtimes.openvino import OPENVINO, OpenVinoRuntime
from vmamba_deploy.runtimes.openvino_network import OpenVinoNetwork, misfit
from vmamba_deploy.runtimes.pytorch import PyTorchRuntime

ov = pytest.importorskip("openvino")
GOLDEN = Path(__file__).parents[1] / "data" / "golden"
SIZE = 64


@pytest.fixture(scope="module")
def extension() -> Path:
    return native.library_path("vmamba_openvino")


@pytest.fixture(scope="module")
def loaded():
    return load_weights(str(GOLDEN / "vssm_v0.pth"))


@pytest.fixture(scope="module")
def export(loaded, tmp_path_factory):
    """The file of a precision."""

    @cache
    def export(precision: str) -> Path:
        path = tmp_path_factory.mktemp(precision) / "model.onnx"
        export_onnx(loaded, path, ExportOptions(precision=precision, image_size=SIZE))
        return path

    return export


@pytest.fixture(scope="module")
def path(export) -> Path:
    return export("fp32")


@pytest.fixture(scope="module")
def inlined_file(loaded, tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("inlined") / "model.onnx"
    export_onnx(loaded, path, ExportOptions(precision="fp32", image_size=32, inline=True))
    return path


def images(batch: int) -> np.ndarray:
    return np.random.default_rng(batch).normal(size=(batch, 3, SIZE, SIZE)).astype(np.float32)


@pytest.mark.parametrize(("precision", "limit"), [("fp32", 1e-11), ("fp16", 1e-5), ("bf16", 1e-3)])
def test_agrees_with_pytorch_at_every_batch(export, loaded, precision, limit):
    reference = PyTorchRuntime(loaded.model).open()
    session = OpenVinoRuntime(export(precision)).open()
    for batch in (1, 3, 2, 1, 4):  # two networks of fixed size, then the one for all others
        expected = reference(images(batch))["logits"]
        logits = session(images(batch))["logits"]
        assert logits.dtype == np.float32
        assert logits.shape == expected.shape
        assert np.sum((logits - expected) ** 2) <= limit * np.sum(expected**2)
        assert np.array_equal(session(images(batch))["logits"], logits)


def test_an_ir_file_gives_the_same(path, extension, tmp_path):
    core = ov.Core()
    core.add_extension(str(extension))
    for compressed in (False, True):
        ir = tmp_path / f"{compressed}.xml"
        ov.save_model(core.read_model(path), ir, compress_to_fp16=compressed)
        expected, actual = (
            OpenVinoRuntime(each).open()(images(2))["logits"] for each in (path, ir)
        )
        close = np.allclose(actual, expected, rtol=0, atol=3e-2 if compressed else 1e-6)
        assert close, np.abs(actual - expected).max()


@pytest.mark.parametrize("precision", ["fp32", "fp16", "bf16"])
def test_a_cpu_with_bfloat16_takes_it_for_such_files_alone(export, extension, precision):
    network = OpenVinoNetwork(export(precision), extension=extension)
    compiled = network.compiled_for(((1, 3, SIZE, SIZE),))
    assert compiled.get_property("INFERENCE_PRECISION_HINT") == ov.Type.f32
    facts = [node.get_rt_info() for node in compiled.get_runtime_model().get_ops()]
    ran = {
        each["runtimePrecision"].astype(str)
        for each in facts
        if each["layerType"].astype(str) in ("Reference", "FullyConnected", "Convolution")
    }
    assert ran == {"f32"} or (precision == "bf16" and ran == {"f32", "bf16"})


def runtime_nodes(compiled, kind: str) -> list:
    nodes = compiled.get_runtime_model().get_ops()
    return [node for node in nodes if node.get_rt_info()["layerType"].astype(str) == kind]


def copies(compiled) -> list[str]:
    """Names of what changes a layout by copying: not those that the plugin calls fake, nor those of
    weights, which it makes while it compiles."""
    nodes = runtime_nodes(compiled, "Reorder") + runtime_nodes(compiled, "Transpose")
    maps = [node for node in nodes if len(node.output(0).get_partial_shape()) > 2]
    return [name for node in maps if not (name := node.get_friendly_name()).endswith("_fake")]


def test_norms_are_those_of_sequences_and_less_is_copied(path, extension, monkeypatch):
    network = OpenVinoNetwork(path, extension=extension)
    fixed, _, shared = (network.compiled_for(((batch, 3, SIZE, SIZE),)) for batch in (2, 1, 3))
    for compiled in (fixed, shared):
        norms = runtime_nodes(compiled, "MVN")
        assert {len(node.output(0).get_partial_shape()) for node in norms} == {3}
    monkeypatch.setattr(openvino_flatten, "flatten_maps", lambda model: 0)
    unchanged = OpenVinoNetwork(path, extension=extension).compiled_for(((2, 3, SIZE, SIZE),))
    assert len(copies(fixed)) < len(copies(unchanged))


def test_networks_without_our_ops_stay_as_they_are(path, tmp_path, extension, monkeypatch):
    rewritten = []
    monkeypatch.setattr(openvino_graph, "rewrite", rewritten.append)
    monkeypatch.setattr(openvino_flatten, "flatten_maps", rewritten.append)
    free = OpenVinoNetwork(free_matmul(tmp_path / "f.onnx"), extension=extension)
    free.compiled_for(((1, 3),))
    assert not rewritten
    OpenVinoNetwork(path, extension=extension).compiled_for(((1, 3, SIZE, SIZE),))
    assert len(rewritten) == 2


def test_threads_and_streams_are_those_asked_for(path, extension):
    network = OpenVinoNetwork(path, extension=extension, threads=1, streams=2)
    compiled = network.compiled_for(((1, 3, SIZE, SIZE),))
    assert compiled.get_property("NUM_STREAMS") == 2
    assert compiled.get_property("INFERENCE_NUM_THREADS") == 2


def test_no_more_networks_than_stated_are_compiled(path, extension):
    network = OpenVinoNetwork(path, extension=extension)
    shapes = [((batch, 3, SIZE, SIZE),) for batch in (1, 2, 3, 4, 1)]
    first, second, third, fourth, again = (network.compiled_for(each) for each in shapes)
    assert first is again
    assert third is fourth
    assert third not in (first, second)


def free_matmul(path: Path) -> Path:
    """pixel_values [batch, k] times a matrix of three rows: no other k fits, and the file says so
    nowhere."""
    weight = numpy_helper.from_array(np.ones((3, 4), np.float32), "w")
    graph = helper.make_graph(
        [helper.make_node("MatMul", ["pixel_values", "w"], ["logits"])],
        "free",
        [helper.make_tensor_value_info("pixel_values", TensorProto.FLOAT, ["batch", "k"])],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["batch", 4])],
        [weight],
    )
    onnx.save(helper.make_model(graph, ir_version=10), path)
    return path


def test_an_input_that_does_not_fit_is_told_with_any_number_of_threads(path, tmp_path):
    session = OpenVinoRuntime(path, threads=1).open()
    session(images(1))
    with pytest.raises(BuildError, match=r"has shape \[1, 3, 32, 64\], expected \[\?,3,64,64\]"):
        session(images(1)[:, :, ::2])
    free = OpenVinoRuntime(free_matmul(tmp_path / "f.onnx"), threads=1).open()
    for width in (3, 5, 3, 5):
        for batch in (1, 2, 3):
            values = np.ones((batch, width), np.float32)
            if width == 3:
                assert np.array_equal(free(values)["logits"], np.full((batch, 4), 3.0))
            else:
                with pytest.raises(BuildError, match="OpenVINO cannot take inputs of shapes"):
                    free(values)


def test_an_inlined_file_is_left_to_others(inlined_file):
    assert OPENVINO.on_files(ModelFiles(OnnxModel.read(inlined_file), None)) is None


def test_what_openvino_lacks_is_no_fault_of_the_file(inlined_file):
    """The body for several states has a Scan that OpenVINO does not read."""
    with pytest.raises(EnvironmentProblem, match=r"wasn't fully converted.*Scan"):
        OpenVinoRuntime(inlined_file).open()


@pytest.mark.parametrize("content", [b"", b"not a model", b"\x08\x0a" + bytes(64)])
def test_a_file_that_is_no_model_gives_one_clear_error(tmp_path, extension, content):
    path = tmp_path / "bad.onnx"
    path.write_bytes(content)
    with pytest.raises(InputFileError, match=r"OpenVINO cannot load .*bad\.onnx"):
        OpenVinoNetwork(path, extension=extension)


def test_without_the_extension_the_op_is_named(path):
    with pytest.raises(InputFileError, match="SelectiveScan2D"):
        OpenVinoNetwork(path)


def test_an_extension_that_cannot_be_loaded_is_told(path, extension, tmp_path):
    library = tmp_path / extension.name
    library.write_bytes(b"no library")
    with pytest.raises(EnvironmentProblem, match="cannot be loaded: it is not"):
        OpenVinoNetwork(path, extension=library)
    shutil.copyfile(native.library_path("vmamba_cpu"), library)
    with pytest.raises(EnvironmentProblem, match="OpenVINO cannot use"):
        OpenVinoNetwork(path, extension=library)


def test_an_extension_for_another_openvino_is_told(path, extension, tmp_path):
    assert misfit(extension) is None
    other = tmp_path / extension.name
    content = extension.read_bytes()
    name = next((Path(ov.__file__).parent / "libs").glob("libopenvino.so.*")).name.encode()
    assert content.count(b"\0" + name + b"\0") == 1
    other.write_bytes(content.replace(name, b"libopenvino.so.2099"[: len(name)]))
    status = OpenVinoRuntime(path, extension=other).status()
    assert not status.available
    assert status.reason.startswith(f"{other.name} needs libopenvino.so.2099, and OpenVINO 20")
    with pytest.raises(EnvironmentProblem, match=r"libopenvino\.so\.2099"):
        OpenVinoRuntime(path, extension=other).open()


def test_without_the_package_the_runtime_says_so(path, monkeypatch):
    def absent(name):
        raise runtime.PackageNotFoundError(name)

    monkeypatch.setattr(runtime, "version", absent)
    status = OpenVinoRuntime(path).status()
    assert not status.available
    assert "vmamba-deploy[openvino]" in status.reason
    (ability,) = OPENVINO.abilities()
    assert ability.remedy == "pip install 'vmamba-deploy[openvino]'"


def test_a_closed_session_says_so(path):
    session = OpenVinoRuntime(path).open()
    session.close()
    with pytest.raises(ClosedError, match="closed"):
        session(images(1))


def test_an_artefact_folder_is_served_with_its_own_library(digits_artifact, tmp_path):
    artifact = digits_artifact("fp32", engine=False)
    assert "libvmamba_openvino.so" in (artifact / "manifest.json").read_text()
    pictures = [np.random.default_rng(n).integers(0, 256, (40, 30, 3), np.uint8) for n in range(5)]
    with (
        load(artifact, runtime="openvino", streams=2, threads=1, max_batch=2) as model,
        load(artifact, runtime="ort", max_batch=2) as other,
    ):
        assert model.runtime == "openvino"
        for ours, theirs in zip(model.classify(pictures), other.classify(pictures), strict=True):
            assert ours[0].label == theirs[0].label
            assert ours[0].probability == pytest.approx(theirs[0].probability, abs=1e-5)
    copied = tmp_path / "copied"
    shutil.copytree(artifact, copied)
    with (copied / "libvmamba_openvino.so").open("ab") as file:
        file.write(b"more")
    with pytest.raises(VmambaError, match=r"libvmamba_openvino\.so has \d+ bytes"):
        load(copied, runtime="openvino")


def both(file: Path):
    """The file in ONNX Runtime and in OpenVINO, by the libraries beside it."""
    library, extension = (file.with_name(f"libvmamba_{name}.so") for name in ("ort", "openvino"))
    return (
        OnnxRuntimeLibrary(file, library=library).open(),
        OpenVinoRuntime(file, extension=extension).open(),
    )


def test_a_segmenter_of_free_size(dense_artifact):
    other, ours = both(dense_artifact("seg_v0") / "model.onnx")
    for size in ((96, 64), (64, 128), (96, 160)):  # the last on the network for all others
        pixels = np.random.default_rng().normal(size=(1, 3, *size)).astype(np.float32)
        expected, actual = other(pixels), ours(pixels)
        np.testing.assert_allclose(actual["logits"], expected["logits"], atol=1e-3)
        assert actual["labels"].dtype == np.int32
        assert np.mean(actual["labels"] == expected["labels"]) > 0.999


def test_a_detector_of_free_size(dense_artifact):
    other, ours = both(dense_artifact("det_mask_s1") / "model.onnx")
    for size in ((96, 128), (128, 96), (64, 160)):
        # Noise of a seed: where scores are equal, small errors decide what is kept.
        pixels = np.random.default_rng(0).standard_normal((1, 3, *size)).astype(np.float32)
        sizes = np.array([[size[0] - 6, size[1] - 8]])
        expected, actual = other(pixels, sizes=sizes), ours(pixels, sizes=sizes)
        assert actual["count"].tolist() == expected["count"].tolist()
        assert actual["count"].min() > 5
        assert np.array_equal(actual["labels"], expected["labels"])
        np.testing.assert_allclose(actual["boxes"], expected["boxes"], atol=0.05)
        np.testing.assert_allclose(actual["masks"], expected["masks"], atol=1e-3)
