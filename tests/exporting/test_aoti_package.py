"""AOTInductor packages: compiled, loaded by other processes, refused where they cannot be."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from tests.aoti_compiler import keeping_compiler
from vmamba_deploy import native
from vmamba_deploy.errors import BuildError, EnvironmentProblem, InputFileError, UsageError
from vmamba_deploy.exporting.aoti_package import choose_device, export_aoti
from vmamba_deploy.exporting.onnx_file import deployable_module
from vmamba_deploy.exporting.options import ExportOptions
from vmamba_deploy.models import load_weights
from vmamba_deploy.runtimes.aotinductor import AotInductorRuntime, package_device

WEIGHTS = Path(__file__).parents[1] / "data" / "golden" / "vssm_s1.pth"
SAMPLE = Path(__file__).parents[2] / "samples" / "aoti"
OPTIONS = ExportOptions(image_size=(32, 64))
LOADS_ALONE = """
import sys, torch
torch.ops.load_library(sys.argv[1])
package = torch._inductor.aoti_load_package(sys.argv[2])
pixels = torch.load(sys.argv[3])
with torch.inference_mode():
    torch.save(package(pixels), sys.argv[4])
assert not any(name.startswith("vmamba_deploy") for name in sys.modules)
"""


@pytest.fixture(scope="module")
def loaded():
    return load_weights(str(WEIGHTS))


@pytest.fixture(scope="module")
def folder(loaded, tmp_path_factory) -> Path:
    """A folder with a package for the CPU and the library, as an export leaves it."""
    available, reason = native.available("vmamba_torch")
    if not available:
        pytest.skip(reason)
    folder = tmp_path_factory.mktemp("aoti")
    shutil.copy(native.library_path("vmamba_torch"), folder)
    with keeping_compiler():
        package = export_aoti(loaded, folder / "model.pt2", OPTIONS, largest_batch=4, device="cpu")
    assert (package.device, package.largest_batch) == ("cpu", 4)
    assert sorted(each.name for each in folder.iterdir()) == ["libvmamba_torch.so", "model.pt2"]
    return folder


@pytest.fixture(scope="module")
def expected(loaded):
    """Images and the logits that PyTorch gives."""
    module = deployable_module(loaded, OPTIONS)
    pixels = torch.randn(3, 3, 32, 64)
    with torch.inference_mode():
        return pixels, module(pixels)


@pytest.mark.slow
def test_it_agrees_with_pytorch_at_every_batch_size(folder, expected):
    pixels, logits = expected
    session = AotInductorRuntime(folder / "model.pt2").open()
    for batch in (1, 2, 3):
        got = session(pixels[:batch].numpy())["logits"]
        np.testing.assert_allclose(got, logits[:batch].numpy(), rtol=1e-4, atol=1e-5)
    session.close()


def test_the_library_alone_is_enough_for_another_process(folder, expected, tmp_path):
    pixels, logits = expected
    torch.save(pixels, tmp_path / "pixels.pt")
    library, package = folder / "libvmamba_torch.so", folder / "model.pt2"
    files = [library, package, tmp_path / "pixels.pt", tmp_path / "logits.pt"]
    subprocess.run(
        [sys.executable, "-c", LOADS_ALONE, *map(str, files)],
        check=True,
        cwd=tmp_path,
    )
    torch.testing.assert_close(torch.load(tmp_path / "logits.pt"), logits, rtol=1e-4, atol=1e-5)


def test_a_cpp_program_gets_the_same_logits(folder, expected, tmp_path):
    cmake = shutil.which("cmake") or str(Path(sys.executable).with_name("cmake"))
    if not Path(cmake).is_file():
        pytest.skip("CMake is not installed")
    prefix = torch.utils.cmake_prefix_path
    environment = {**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    for arguments in (
        ["-S", str(SAMPLE), "-B", str(tmp_path / "build"), f"-DCMAKE_PREFIX_PATH={prefix}"],
        ["--build", str(tmp_path / "build")],
    ):
        done = subprocess.run(
            [cmake, *arguments], capture_output=True, text=True, check=False, env=environment
        )
        assert done.returncode == 0, done.stdout + done.stderr
    pixels, logits = expected
    pixels.numpy().tofile(tmp_path / "pixels.bin")
    program = str(tmp_path / "build" / "classify")
    call = [program, str(folder), str(tmp_path / "pixels.bin"), "3", "32", "64"]
    done = subprocess.run(
        [*call, str(tmp_path / "logits.bin")], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    got = np.fromfile(tmp_path / "logits.bin", np.float32).reshape(logits.shape)
    np.testing.assert_allclose(got, logits.numpy(), rtol=1e-4, atol=1e-5)
    best = [int(line.split()[2]) for line in done.stdout.splitlines()]
    assert best == logits.argmax(1).tolist()
    wrong = subprocess.run([*call[:3], "4", *call[4:]], capture_output=True, text=True, check=False)
    assert wrong.returncode == 1
    assert "bytes, expected" in wrong.stderr
    assert subprocess.run([program], capture_output=True, check=False).returncode == 2


def test_wrong_inputs_are_told_by_the_library(folder, tmp_path):
    script = """
import sys, torch
torch.ops.load_library(sys.argv[1])
x = torch.randn(1, 2, 2, 4)
shapes = [(1, 2, 2, 12), (4, 1, 5), (4, 4), (4, 1, 4), (4, 4)]
try:
    torch.ops.vmamba.selective_scan_2d(x, *(torch.randn(shape) for shape in shapes), 1)
except ValueError as error:
    print(error)
"""
    done = subprocess.run(
        [sys.executable, "-c", script, str(folder / "libvmamba_torch.so")],
        capture_output=True,
        text=True,
        check=True,
    )
    assert "dt_weight has shape (4, 1, 5), expected (4, 1, 4)" in done.stdout


def test_what_is_no_package_is_refused(tmp_path):
    path = tmp_path / "model.pt2"
    assert not AotInductorRuntime(path).status().available
    path.write_bytes(b"not a package")
    with pytest.raises(InputFileError, match="cannot be read as an AOTInductor package"):
        package_device(path)


def test_requests_that_cannot_be_met_are_refused(loaded, tmp_path, monkeypatch):
    path = tmp_path / "model.pt2"
    with pytest.raises(UsageError, match="one image size"):
        export_aoti(loaded, path, ExportOptions(dynamic_size=True), largest_batch=2)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(UsageError, match="sees no GPU"):
        choose_device("cuda")
    assert choose_device("auto") == "cpu"

    def no_compiler():
        raise EnvironmentProblem("no C++ compiler found")

    monkeypatch.setattr("vmamba_deploy.native.toolchain.find_host_compiler", no_compiler)
    with pytest.raises(EnvironmentProblem, match="AOTInductor needs a C\\+\\+ compiler"):
        export_aoti(loaded, path, OPTIONS, largest_batch=2, device="cpu")
    assert list(tmp_path.iterdir()) == []


def test_a_failed_compilation_leaves_nothing_behind(loaded, tmp_path, monkeypatch):
    def fail(*_args, **_options):
        raise RuntimeError("the compiler gave up\nlong log")

    monkeypatch.setattr(torch._inductor, "aoti_compile_and_package", fail)
    with pytest.raises(BuildError, match=r"could not compile the network: the compiler gave up$"):
        export_aoti(loaded, tmp_path / "model.pt2", OPTIONS, largest_batch=2, device="cpu")
    assert list(tmp_path.iterdir()) == []


def test_torch_compile_takes_the_whole_network(loaded):
    module = deployable_module(loaded, OPTIONS)
    pixels = torch.randn(2, 3, 32, 64)
    explained = torch._dynamo.explain(module)(pixels)
    assert (explained.graph_count, explained.graph_break_count) == (1, 0)
    with torch.inference_mode():
        compiled = torch.compile(module, fullgraph=True, backend="aot_eager")
        torch.testing.assert_close(compiled(pixels), module(pixels), rtol=1e-4, atol=1e-5)
