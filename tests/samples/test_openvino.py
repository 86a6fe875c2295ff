"""The C++ program of samples/openvino, built from OpenVINO's wheel: the logits of our runtime."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from vmamba_deploy import native
from vmamba_deploy.runtimes.openvino import OpenVinoRuntime

openvino_utils = pytest.importorskip("openvino.utils")
SAMPLE = Path(__file__).resolve().parents[2] / "samples" / "openvino"


@pytest.fixture(scope="module")
def program(tmp_path_factory) -> Path:
    cmake = shutil.which("cmake") or str(Path(sys.executable).with_name("cmake"))
    if not Path(cmake).is_file():
        pytest.skip("CMake is not installed")
    build = tmp_path_factory.mktemp("openvino-sample")
    beside = f"-DOpenVINO_DIR={openvino_utils.get_cmake_path()}"
    environment = {**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    for arguments in (["-S", str(SAMPLE), "-B", str(build), beside], ["--build", str(build)]):
        done = subprocess.run(
            [cmake, *arguments], capture_output=True, text=True, check=False, env=environment
        )
        assert done.returncode == 0, done.stdout + done.stderr
    return build / "classify"


@pytest.fixture
def folder(digits_artifact, tmp_path: Path) -> Path:
    """As an export with OpenVINO installed writes it."""
    shutil.copy(digits_artifact() / "model.onnx", tmp_path)
    shutil.copy(native.library_path("vmamba_openvino"), tmp_path)
    return tmp_path


def test_it_gives_the_logits_of_our_runtime(program: Path, folder: Path) -> None:
    pixels = np.random.default_rng().standard_normal((3, 3, 32, 32)).astype(np.float32)
    pixels.tofile(folder / "pixels.bin")
    call = [program, folder, folder / "pixels.bin", "3", "32", "32"]
    done = subprocess.run(
        [*call, folder / "logits.bin"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    expected = OpenVinoRuntime(folder / "model.onnx").open()(pixels)["logits"]
    got = np.fromfile(folder / "logits.bin", np.float32).reshape(expected.shape)
    np.testing.assert_allclose(got, expected, rtol=1e-4, atol=1e-4)
    best = [int(line.split()[2]) for line in done.stdout.splitlines()]
    assert best == expected.argmax(1).tolist()


def test_its_errors_are_told(program: Path, folder: Path) -> None:
    np.zeros(100, np.float32).tofile(folder / "pixels.bin")
    call = [program, folder, folder / "pixels.bin", "3", "32", "32"]
    few = subprocess.run(call, capture_output=True, text=True, check=False)
    assert (few.returncode, "bytes, expected" in few.stderr) == (1, True)
    absent = subprocess.run([call[0], "absent", *call[2:]], capture_output=True, check=False)
    assert absent.returncode == 1
    assert subprocess.run([program], capture_output=True, check=False).returncode == 2
