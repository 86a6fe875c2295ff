"""What can be imported inside `shims()`, what stays as it is, and what is as before afterwards."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path

import pytest
import torch
from torch import nn

import vmamba_deploy
from vmamba_deploy.adapting import shimming
from vmamba_deploy.adapting.shimming import absent_modules, shims
from vmamba_deploy.adapting.stand_ins.modules import ABSENT, CONTENTS, make
from vmamba_deploy.errors import UsageError

# PyTorch's wheels for Linux bring the real triton.
_HERE = tuple(name for name in CONTENTS if name.partition(".")[0] not in absent_modules())
_STAND_INS = [(name, key) for name in CONTENTS if name not in _HERE for key in CONTENTS[name]]
_ABSENT = [
    (name, key) for name in ABSENT for key in ABSENT[name] if not key.startswith("causal_conv1d_b")
]

KERNEL_FILE = """
import triton
import triton.language as tl
from triton.language.extra import libdevice

@triton.autotune(configs=[triton.Config({"BLOCK": 8}, num_warps=2)], key=["size"])
@triton.jit
def kernel(x: tl.tensor, size, BLOCK: tl.constexpr):
    tl.store(x, libdevice.exp(tl.load(x)))

@triton.jit(do_not_specialize=["size"])
def other(x, size):
    pass

def launch(x):
    kernel[(triton.cdiv(x.numel(), 8),)](x, x.numel(), BLOCK=triton.next_power_of_2(5))
"""


def test_users_find_it_at_the_top_of_the_package() -> None:
    assert vmamba_deploy.shims is shims


@pytest.mark.parametrize(("name", "key"), _STAND_INS)
def test_a_name_can_be_imported_inside_alone(name: str, key: str) -> None:
    with shims():
        assert getattr(importlib.import_module(name), key) is CONTENTS[name][key]
    with pytest.raises(ImportError):
        importlib.import_module(name)


@pytest.mark.parametrize(("name", "key"), _ABSENT)
def test_a_name_without_a_meaning_is_refused_when_it_is_called(name: str, key: str) -> None:
    with shims():
        imported = getattr(importlib.import_module(name), key)
        heir = type("Heir", (imported,), {})
    for each in (imported, heir):
        with pytest.raises(UsageError, match=rf"{name}.{key} needs the package itself"):
            each()


def test_names_that_nobody_has_are_not_made_up() -> None:
    with shims(), pytest.raises(ImportError):
        importlib.import_module("mamba_ssm.modules.mamba9")
    with shims(), pytest.raises(ImportError):
        from mamba_ssm import Mamba9  # noqa: F401


def test_modules_are_as_before_also_after_a_failure_and_inside_of_each_other() -> None:
    before = dict(sys.modules)

    def their_code() -> None:
        import selective_scan_cuda_core

        with shims():
            import mamba_ssm

            assert mamba_ssm.Mamba is CONTENTS["mamba_ssm"]["Mamba"]
        import mamba_ssm.modules.mamba_simple  # still inside of the outer

        kept.append(selective_scan_cuda_core.fwd)
        raise RuntimeError("theirs")

    kept: list[object] = []
    with pytest.raises(RuntimeError, match="theirs"), shims():
        their_code()
    assert {name: sys.modules[name] for name in before} == before
    assert not {"mamba_ssm", "selective_scan_cuda_core"} & sys.modules.keys()
    assert callable(kept[0])  # code that was imported keeps what it has


def test_what_the_user_put_there_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    mine = type(sys)("causal_conv1d")
    monkeypatch.setitem(sys.modules, "causal_conv1d", mine)
    with shims():
        assert importlib.import_module("causal_conv1d") is mine
    assert sys.modules["causal_conv1d"] is mine


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Install a module of one file, for the test."""

    def install(name: str, text: str) -> None:
        (tmp_path / f"{name}.py").write_text(text, encoding="utf-8")
        monkeypatch.delitem(sys.modules, name, raising=False)

    monkeypatch.syspath_prepend(tmp_path)
    yield install
    for path in tmp_path.glob("*.py"):
        sys.modules.pop(path.stem, None)


def test_a_package_that_is_installed_stays(installed) -> None:
    installed("causal_conv1d", "causal_conv1d_fn = 'the real one'\n")
    with shims():
        from causal_conv1d import causal_conv1d_fn
    assert causal_conv1d_fn == "the real one"


def test_a_compiled_module_that_does_not_load_is_stood_in_for(installed) -> None:
    installed("selective_scan_cuda", "raise ImportError('libcudart.so.12: no such file')\n")
    with shims():
        import selective_scan_cuda
    assert selective_scan_cuda.fwd is CONTENTS["selective_scan_cuda"]["fwd"]


def test_a_compiled_module_that_is_installed_serves_the_cpu_inside_alone(installed) -> None:
    """Its own function is for a GPU: here one that says so."""
    installed(
        "selective_scan_cuda_core",
        "class Fwd:\n    def __call__(self, *call):\n        raise RuntimeError('needs a GPU')\n"
        "fwd = Fwd()\n",
    )
    import selective_scan_cuda_core

    own = selective_scan_cuda_core.fwd
    u, a, b = torch.randn(1, 2, 3), -torch.rand(2, 1), torch.randn(1, 1, 1, 3)
    with shims():
        y, _ = selective_scan_cuda_core.fwd(u, u, a, b, b, None, None, True, 1)
    assert y.shape == u.shape
    assert selective_scan_cuda_core.fwd is own
    with pytest.raises(RuntimeError, match="needs a GPU"):
        selective_scan_cuda_core.fwd(u, u, a, b, b, None, None, True, 1)


def test_a_file_with_kernels_can_be_imported_without_triton(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in [name for name in sys.modules if name.partition(".")[0] == "triton"]:
        monkeypatch.delitem(sys.modules, name)
    for name, module in make("triton").items():
        monkeypatch.setitem(sys.modules, name, module)
    (tmp_path / "their_kernels.py").write_text(KERNEL_FILE, encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    kernels = importlib.import_module("their_kernels")
    monkeypatch.delitem(sys.modules, "their_kernels")
    with pytest.raises(UsageError, match="the Triton kernel kernel cannot be launched"):
        kernels.launch(torch.zeros(9))


def test_pytorch_does_not_take_a_stand_in_for_triton(monkeypatch: pytest.MonkeyPatch) -> None:
    """Here triton is installed: as None in `sys.modules` it cannot be imported."""
    from torch.utils import _triton

    for name in [name for name in sys.modules if name.partition(".")[0] == "triton"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "triton", None)
    caches = (_triton.has_triton_package, shimming._remember_what_torch_has)
    for cached in caches:
        cached.cache_clear()
    try:
        with shims():
            import triton

            assert triton.cdiv(7, 2) == 4
            assert not _triton.has_triton_package()
        assert sys.modules["triton"] is None
    finally:
        for cached in caches:
            cached.cache_clear()


def test_a_class_that_was_made_inside_works_outside() -> None:
    with shims():
        from mamba_ssm import Mamba
    mixer: nn.Module = Mamba(8, d_state=2)
    assert mixer(torch.randn(1, 5, 8)).shape == (1, 5, 8)
