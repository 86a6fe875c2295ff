import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from tests.processes import HANG_S
from vmamba_deploy.errors import EnvironmentProblem, ResourceError
from vmamba_deploy.native.toolchain import find_host_compiler
from vmamba_deploy.runtimes.cuda_driver import find_gpus
from vmamba_deploy.runtimes.tensorrt.cuda_device import CudaDevice, _explained

pytest.importorskip("cuda.core", reason="cuda-python is not installed")


@pytest.mark.skipif(find_gpus().first is not None, reason="this machine has a GPU")
def test_without_a_driver_it_says_so():
    with pytest.raises(EnvironmentProblem, match="CUDA could not select the device"):
        CudaDevice()


def test_without_cuda_python_it_names_the_packages(monkeypatch):
    monkeypatch.setitem(sys.modules, "cuda.core", None)
    with pytest.raises(EnvironmentProblem, match="cuda-python cannot be imported") as caught:
        CudaDevice()
    assert "cuda-core" in caught.value.hint


def test_a_full_device_is_a_matter_of_resources():
    with pytest.raises(ResourceError, match="allocate"), _explained("allocate 8 bytes"):
        raise RuntimeError("CUDA_ERROR_OUT_OF_MEMORY: out of memory")
    with pytest.raises(KeyError), _explained("do what is not CUDA's"):
        raise KeyError


@pytest.fixture(scope="module")
def fake_driver(tmp_path_factory):
    """The folder of a libcuda.so.1 whose memory is the host's."""
    try:
        compiler = find_host_compiler().path
    except EnvironmentProblem as problem:
        pytest.skip(problem.message)
    folder = tmp_path_factory.mktemp("driver")
    command = [compiler, "-std=c++17", "-O1", "-Wall", "-Wextra", "-Werror", "-shared", "-fPIC"]
    command += ["-Wl,-soname,libcuda.so.1", "-o", folder / "libcuda.so.1"]
    source = Path(__file__).with_name("fake_driver.cpp")
    subprocess.run([*command, source, "-ldl"], check=True, timeout=HANG_S)
    return folder


def test_lanes_run_on_the_real_cuda_python(fake_driver):
    """Copies, pinned memory, captured graphs and frees, in the order that cuda-core makes them."""
    result = subprocess.run(
        [sys.executable, "-m", "tests.runtimes.tensorrt.lane_program"],
        env={**os.environ, "LD_LIBRARY_PATH": str(fake_driver)},
        cwd=Path(__file__).parents[3],
        capture_output=True,
        text=True,
        timeout=HANG_S,
        check=False,
    )
    assert result.returncode == 0, result.stderr
    full, closed, left = result.stdout.splitlines()
    assert full.startswith("full: CUDA could not allocate 1,099,511,627,776 bytes")
    assert "closed" in closed
    assert left == "left: 0"


@pytest.mark.gpu
def test_copies_and_graphs_on_a_device():
    device = CudaDevice()
    stream = device.create_stream()
    source, target = device.allocate_host(4096), device.allocate_host(4096)
    memory = device.allocate(4096, stream)

    def there_and_back(on):
        device.copy(int(memory.handle), source.address, 4096, on)
        device.copy(target.address, int(memory.handle), 4096, on)

    for launch in (there_and_back, device.capture(stream, there_and_back).launch):
        values = np.random.default_rng().standard_normal(1024, dtype=np.float32)
        np.copyto(source.view((1024,), np.float32), values)
        launch(stream)
        device.wait(stream)
        np.testing.assert_array_equal(target.view((1024,), np.float32), values)
    for buffer in (memory, source, target):
        buffer.close()
