"""The library through which Triton's TensorRT meets our plugin, opened as Triton opens it.

No full TensorRT is to be had here: a stand-in with the same binary interface takes its place, and
loads the real plugin.
"""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.processes import HANG_S
from vmamba_deploy import native
from vmamba_deploy.errors import EnvironmentProblem
from vmamba_deploy.native.cuda import require_cuda
from vmamba_deploy.native.headers import TENSORRT
from vmamba_deploy.native.toolchain import find_host_compiler
from vmamba_deploy.ops.registry import OPS
from vmamba_deploy.serving.triton.registrar import REGISTRAR_LIBRARY, build_registrar

OPEN_AS_TRITON_DOES = """
import ctypes, os, sys
mode = os.RTLD_NOW | os.RTLD_LOCAL
for library in sys.argv[1:]:
    ctypes.CDLL(library, mode=mode)
"""

pytestmark = pytest.mark.skipif(
    not native.available("vmamba_trt")[0], reason=native.available("vmamba_trt")[1]
)


@pytest.fixture(scope="module")
def major():
    return TENSORRT.version(TENSORRT.require()).split(".")[0]


@pytest.fixture(scope="module")
def folder(tmp_path_factory, major):
    """A version folder with our plugin and the registrar beside it."""
    folder = tmp_path_factory.mktemp("version")
    shutil.copyfile(native.library_path("vmamba_trt"), folder / "libvmamba_trt.so")
    build_registrar(folder / REGISTRAR_LIBRARY, f"{major}.0.0")
    return folder


@pytest.fixture(scope="module")
def fake_tensorrt(tmp_path_factory, major):
    def build(**defines):
        output = tmp_path_factory.mktemp("tensorrt") / f"libnvinfer.so.{major}"
        cuda = require_cuda()
        command = [cuda.nvcc, "-ccbin", cuda.host_compiler(find_host_compiler()).path]
        command += ["-std=c++17", "-shared", "-cudart", "none", "-Xcompiler", "-fPIC,-w"]
        command += ["-isystem", TENSORRT.require(), f"-Xlinker=-soname={output.name}"]
        command += [f"-D{name}={value}" for name, value in defines.items()]
        source = Path(__file__).with_name("fake_nvinfer.cpp")
        subprocess.run([*command, source, "-o", output, "-ldl"], check=True)
        return output

    return build


def open_libraries(*libraries):
    done = subprocess.run(
        [sys.executable, "-c", OPEN_AS_TRITON_DOES, *map(str, libraries)],
        capture_output=True,
        text=True,
        check=True,
        timeout=HANG_S,
    )
    return done.stderr


def test_the_plugin_is_registered_when_the_library_is_opened(folder, fake_tensorrt):
    said = open_libraries(fake_tensorrt(), folder / REGISTRAR_LIBRARY)
    plugin = folder / "libvmamba_trt.so"
    assert f"loadLibrary {plugin}: {len(OPS)} creators" in said
    assert f"vmamba: registered {plugin}" in said


def test_without_tensorrt_in_the_process(folder, major):
    said = open_libraries(folder / REGISTRAR_LIBRARY)
    assert f"libnvinfer.so.{major} is not loaded in this process" in said


def test_another_major_version(folder, fake_tensorrt):
    said = open_libraries(fake_tensorrt(FAKE_VERSION=110000), folder / REGISTRAR_LIBRARY)
    assert "not the TensorRT that this library was compiled for" in said
    assert "loadLibrary" not in said


def test_a_plugin_that_cannot_be_loaded(folder, fake_tensorrt, tmp_path):
    shutil.copy(folder / REGISTRAR_LIBRARY, tmp_path)
    said = open_libraries(fake_tensorrt(), tmp_path / REGISTRAR_LIBRARY)
    assert f"TensorRT did not take {tmp_path / 'libvmamba_trt.so'}" in said


def test_headers_of_another_major_version_are_refused(tmp_path, major):
    with pytest.raises(EnvironmentProblem, match="same major version"):
        build_registrar(tmp_path / "x.so", f"{int(major) + 1}.0.0")
    assert not (tmp_path / "x.so").exists()
