from __future__ import annotations

import subprocess
import sys

import pytest

from tests.processes import HANG_S
from vmamba_deploy.errors import EnvironmentProblem, UsageError
from vmamba_deploy.runtimes.cuda_driver import Gpu, GpuSearch, find_gpus
from vmamba_deploy.runtimes.tensorrt.flavour import TENSORRT, TENSORRT_RTX, Flavour, choose_flavour

NO_GPU = GpuSearch((), "no NVIDIA driver here")


def machine_with(capability: tuple[int, int]) -> GpuSearch:
    return GpuSearch((Gpu(0, "a GPU", capability),), "1 GPU")


@pytest.fixture
def installed(monkeypatch):
    """Pretend which flavours are installed."""

    def pretend(*names: str) -> None:
        monkeypatch.setattr(Flavour, "installed", property(lambda self: self.name in names))

    return pretend


@pytest.mark.parametrize(
    ("capability", "rtx_runs", "tensorrt_runs"),
    [
        ((7, 0), False, False),
        ((7, 5), True, True),
        ((8, 0), True, True),
        ((8, 7), False, True),
        ((8, 9), True, True),
        ((9, 0), False, True),
        ((10, 0), False, True),
        ((12, 0), True, True),
    ],
)
def test_which_gpus_each_flavour_takes(capability, rtx_runs, tensorrt_runs):
    assert TENSORRT_RTX.supports(capability).available is rtx_runs
    assert TENSORRT.supports(capability).available is tensorrt_runs


def test_hopper_is_refused_with_the_reason():
    reason = TENSORRT_RTX.supports((9, 0)).reason
    assert "refuses compute capability 9.0 (Hopper)" in reason
    assert "full TensorRT" in reason


@pytest.mark.parametrize(
    ("names", "search", "expected"),
    [
        (("tensorrt", "tensorrt_rtx"), NO_GPU, TENSORRT_RTX),
        (("tensorrt", "tensorrt_rtx"), machine_with((8, 9)), TENSORRT),
        (("tensorrt_rtx",), machine_with((8, 9)), TENSORRT_RTX),
        (("tensorrt",), machine_with((9, 0)), TENSORRT),
    ],
)
def test_auto_takes_what_is_installed_and_fits(installed, names, search, expected):
    installed(*names)
    assert choose_flavour("auto", search) is expected


def test_what_cannot_build_is_explained(installed):
    installed("tensorrt", "tensorrt_rtx")
    with pytest.raises(EnvironmentProblem, match="builds on a GPU only: no NVIDIA driver"):
        choose_flavour("tensorrt", NO_GPU)
    assert choose_flavour("rtx", machine_with((9, 0))) is TENSORRT_RTX
    installed("tensorrt_rtx")
    with pytest.raises(EnvironmentProblem, match=r"TensorRT is not installed.*refuses"):
        choose_flavour("auto", machine_with((9, 0)))
    installed()
    with pytest.raises(EnvironmentProblem, match="RTX is not installed") as caught:
        choose_flavour("auto", NO_GPU)
    assert "vmamba-deploy[rtx]" in str(caught.value.hint)


def test_an_unknown_choice():
    with pytest.raises(UsageError, match="auto, tensorrt, rtx"):
        choose_flavour("openvino")


def test_the_search_for_gpus_says_why_there_are_none():
    search = find_gpus()
    assert search.reason
    assert (search.first is None) == (search.gpus == ())


def test_importing_the_package_imports_nothing_heavy():
    code = (
        "import sys, vmamba_deploy.runtimes.tensorrt\n"
        "print([m for m in ('tensorrt', 'tensorrt_rtx', 'onnx', 'torch', 'numpy', 'polygraphy')"
        " if m in sys.modules])"
    )
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=HANG_S
    )
    assert result.stdout.strip() == "[]"
