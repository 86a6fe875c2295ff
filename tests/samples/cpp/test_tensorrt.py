"""The programs with TensorRT-RTX and with TensorRT: linked with the real libraries, they check the
folder, load the plugin into the library's registry, and say why an engine cannot run here."""

from __future__ import annotations

import os
from collections.abc import Callable
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from tests.preprocessing.golden import FOLDER
from tests.samples.cpp.folders import changed, rewritten
from tests.samples.cpp.programs import Program, program
from vmamba_deploy.artifacts.verification import verify
from vmamba_deploy.errors import IntegrityError
from vmamba_deploy.runtimes.cuda_driver import Gpu, GpuSearch, find_gpus
from vmamba_deploy.runtimes.tensorrt.flavour import TENSORRT_RTX

IMAGE = FOLDER / "rgb.png"
LEAN_VERSION = "11.4.0.106"

pytestmark = pytest.mark.skipif(
    find_spec("tensorrt_rtx_libs") is None, reason="TensorRT-RTX is not installed"
)
no_gpu = pytest.mark.skipif(find_gpus().first is not None, reason="this machine has a GPU")


@pytest.fixture(scope="session")
def classify_trt() -> Program:
    """classify with TensorRT 11.4, its lean part, and without ONNX Runtime."""
    from tests.samples.cpp.building import SAMPLES, WARNINGS, build, lean_settings

    settings = {**lean_settings(), "VMAMBA_ONNXRUNTIME": "OFF", "CMAKE_CXX_FLAGS": WARNINGS}
    return program(build(SAMPLES, "programs-trt", settings, ["classify"]) / "classify")


@pytest.fixture
def with_gpu(checks: Path) -> Callable[[str], dict[str, str]]:
    """The environment of a machine whose driver tells of a GPU of that compute capability."""

    def environment(capability: str) -> dict[str, str]:
        return {**os.environ, "LD_LIBRARY_PATH": str(checks), "FAKE_GPU": capability}

    return environment


def _engine(**fields: object) -> Callable[[dict[str, Any]], None]:
    return lambda manifest: manifest["engine"].update(fields)


def _for_trt(manifest: dict[str, Any]) -> None:
    manifest["engine"].update(flavour="tensorrt", version=LEAN_VERSION)


@no_gpu
def test_rtx_stops_at_the_gpu_in_pythons_words(classify: Program, exported: Path) -> None:
    done = classify(exported, IMAGE, "--runtime", "rtx")
    assert done.code == 4
    assert done.error == TENSORRT_RTX.can_run_here().reason


@no_gpu
def test_trt_stops_at_the_gpu(classify_trt: Program, exported: Path, tmp_path: Path) -> None:
    folder = changed(exported, tmp_path / "trt", _for_trt)
    done = classify_trt(folder, IMAGE)
    assert done.code == 4
    assert done.error == f"an engine needs an NVIDIA GPU: {find_gpus().reason}"


def test_the_driver_is_asked_for_its_reason(
    classify: Program, exported: Path, with_gpu: Callable[[str], dict[str, str]]
) -> None:
    done = classify(exported, IMAGE, "--runtime", "rtx", environment=with_gpu("none"))
    assert done.code == 4
    assert "finds no usable GPU (CUDA_ERROR_NO_DEVICE)" in done.error


@pytest.mark.parametrize("capability", ["9.0", "10.0", "8.7", "7.0"])
def test_gpus_that_rtx_refuses_are_told_in_pythons_words(
    classify: Program,
    exported: Path,
    with_gpu: Callable[[str], dict[str, str]],
    capability: str,
) -> None:
    done = classify(exported, IMAGE, "--runtime", "rtx", environment=with_gpu(capability))
    major, minor = capability.split(".")
    gpu = Gpu(0, "a fake GPU", (int(major), int(minor)))
    status = TENSORRT_RTX.can_run_here(GpuSearch((gpu,), ""))
    assert not status.available
    assert done.code == 4
    assert f"{done.error}; {done.hint}".removesuffix("; ") == status.reason


def test_an_engine_for_another_gpu_is_refused_in_pythons_words(
    classify: Program,
    exported: Path,
    tmp_path: Path,
    with_gpu: Callable[[str], dict[str, str]],
) -> None:
    folder = changed(exported, tmp_path / "sm", _engine(compute_capabilities=["8.9", "12.0"]))
    done = classify(folder, IMAGE, "--runtime", "rtx", environment=with_gpu("8.6"))
    with pytest.raises(IntegrityError) as caught:
        verify(folder, compute_capability="8.6")
    assert (done.code, done.error, done.hint) == (7, caught.value.message, caught.value.hint)


@pytest.mark.parametrize("flavour", ["rtx", "trt"])
def test_headers_of_another_tensorrt_stop_the_program_before_the_engine(
    classify: Program,
    classify_trt: Program,
    exported: Path,
    tmp_path: Path,
    with_gpu: Callable[[str], dict[str, str]],
    flavour: str,
) -> None:
    folder = changed(exported, tmp_path / "folder", _for_trt) if flavour == "trt" else exported
    run = classify_trt if flavour == "trt" else classify
    done = run(folder, IMAGE, "--runtime", flavour, environment=with_gpu("8.9"))
    assert done.code == 4, done.err
    assert "was compiled with the headers of TensorRT 10.14" in done.error
    variable = "TENSORRT_INCLUDE_DIR" if flavour == "trt" else "TENSORRT_RTX_INCLUDE_DIR"
    assert variable in done.hint


@pytest.mark.parametrize("flavour", ["rtx", "trt"])
def test_the_plugin_goes_through_the_registry(
    classify: Program, classify_trt: Program, exported: Path, tmp_path: Path, flavour: str
) -> None:
    """A library that is none, or brings no plugin, is refused there: behind hashes that fit."""
    folder = changed(
        exported, tmp_path / "folder", _for_trt if flavour == "trt" else lambda m: None
    )
    run = classify_trt if flavour == "trt" else classify
    plugin = folder / "libvmamba_trt.so"
    title = "TensorRT" if flavour == "trt" else "TensorRT-RTX"
    plugin.write_bytes(b"no library")
    done = run(rewritten(folder), IMAGE, "--runtime", flavour)
    assert done.code == 5, done.err
    assert done.error == f"{title} cannot load the plugin library {plugin}"


def test_a_changed_engine_is_refused_before_anything_is_loaded(
    classify: Program, exported: Path, tmp_path: Path
) -> None:
    folder = changed(exported, tmp_path / "folder")
    engine = bytearray((folder / "model.engine").read_bytes())
    engine[1000] ^= 255
    (folder / "model.engine").write_bytes(engine)
    done = classify(folder, IMAGE, "--runtime", "rtx")
    assert done.code == 7
    assert done.error.startswith("model.engine has sha256")


def test_a_stripped_engine_is_refused(classify: Program, exported: Path, tmp_path: Path) -> None:
    folder = changed(exported, tmp_path / "folder", _engine(weights_stripped=True))
    done = classify(folder, IMAGE, "--runtime", "rtx")
    assert done.code == 2
    assert done.error == f"{folder / 'model.engine'} has no weights"
    assert done.hint == "refit it from the ONNX file first"


def test_an_engine_of_another_version_is_refused_in_pythons_words(
    classify: Program, exported: Path, tmp_path: Path
) -> None:
    folder = changed(exported, tmp_path / "folder", _engine(version="1.6.0.5"))
    done = classify(folder, IMAGE, "--runtime", "rtx")
    here = version("tensorrt-rtx-cu13")
    with pytest.raises(IntegrityError) as caught:
        verify(folder, flavour="tensorrt_rtx", version=here)
    assert (done.code, done.error, done.hint) == (7, caught.value.message, caught.value.hint)


@no_gpu
@pytest.mark.parametrize(("built", "fits"), [("1.6.0.5", True), ("2.0.0.1", False)])
def test_a_version_compatible_engine_is_for_later_versions(
    classify: Program, exported: Path, tmp_path: Path, built: str, fits: bool
) -> None:
    edit = _engine(version=built, version_compatible=True)
    done = classify(changed(exported, tmp_path / "folder", edit), IMAGE, "--runtime", "rtx")
    assert done.code == (4 if fits else 7), done.err


def test_an_engine_of_the_other_flavour_is_refused(
    classify: Program, exported: Path, tmp_path: Path
) -> None:
    done = classify(changed(exported, tmp_path / "folder", _for_trt), IMAGE, "--runtime", "rtx")
    assert done.code == 7
    assert done.error == "the engine is for tensorrt, not tensorrt_rtx"


def test_a_folder_without_engine_is_told(classify: Program, exported: Path, tmp_path: Path) -> None:
    def without(manifest: dict[str, Any]) -> None:
        manifest["engine"] = {"built": False, "reason": "--no-engine"}

    folder = changed(exported, tmp_path / "folder", without)
    done = classify(folder, IMAGE, "--runtime", "rtx")
    assert done.code == 7
    assert done.error == "this folder has no engine: --no-engine"
    assert classify(folder, IMAGE).code == 0  # auto: ONNX Runtime


def test_auto_takes_onnx_runtime_where_no_engine_can_run(
    classify: Program, exported: Path, with_gpu: Callable[[str], dict[str, str]]
) -> None:
    done = classify(exported, IMAGE, "--json", environment=with_gpu("9.0"))
    assert done.code == 0, done.err
    assert '"runtime": "onnxruntime"' in done.out


def test_a_program_without_onnx_runtime_says_so(classify_trt: Program, exported: Path) -> None:
    done = classify_trt(exported, IMAGE, "--runtime", "ort")
    assert done.code == 4
    assert done.error == "this program was built without ONNX Runtime"
    assert "VMAMBA_ONNXRUNTIME=ON" in done.hint
    done = classify_trt(exported, IMAGE, "--runtime", "rtx")
    assert (done.code, done.error) == (4, "this program was built without TensorRT-RTX")


@pytest.mark.gpu
def test_an_engine_gives_what_onnx_runtime_gives(
    classify: Program, exported: Path, tmp_path: Path
) -> None:
    """Where the headers of TensorRT-RTX are at hand, and a GPU that it takes."""
    import numpy as np

    images = [IMAGE, FOLDER / "photo_420.jpg", IMAGE]
    done = classify(exported, *images, "--runtime", "rtx", "--logits", tmp_path / "rtx")
    if done.code == 4:
        pytest.skip(done.error)
    assert done.code == 0, done.err
    assert classify(exported, *images, "--runtime", "ort", "--logits", tmp_path / "ort").code == 0
    rtx, ort = (np.fromfile(tmp_path / name, np.float32) for name in ("rtx", "ort"))
    assert np.abs(rtx - ort).max() <= 1e-3
