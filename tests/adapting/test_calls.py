"""What a module's code calls, read without running it, in every way that public code calls."""

from __future__ import annotations

import sys
from functools import partial

import pytest
import torch
from torch import nn

from tests.adapting.conftest import fresh
from tests.adapting.dialect import load_file
from vmamba_deploy.adapting import shims
from vmamba_deploy.adapting.calls import scan_calls

THEIR_FILE = """
import functools
import torch
from functools import partial
from torch import nn
import causal_conv1d
import mamba_ssm.ops.selective_scan_interface as interface
import selective_scan_cuda_core
from causal_conv1d import causal_conv1d_fn
from mamba_ssm.ops.selective_scan_interface import SelectiveScanFn, mamba_inner_fn
from mamba_ssm.ops.selective_scan_interface import selective_scan_fn
from mamba_ssm.ops.triton.layernorm import RMSNorm, rms_norm_fn
from selective_scan import selective_scan_fn as selective_scan_fn_v1


class Directly(nn.Module):
    def forward(self, x):
        return selective_scan_fn(x, x, x, x, x)


class ByAnotherName(nn.Module):
    def forward(self, x):
        return selective_scan_fn_v1(x, x, x, x, x)


class ByAnAutogradFunction(nn.Module):
    def forward(self, x):
        return SelectiveScanFn.apply(x, x, x, x, x)


class OwnFunction(torch.autograd.Function):
    @staticmethod
    @partial(torch.amp.custom_fwd, device_type="cuda")
    def forward(ctx, x):
        return selective_scan_cuda_core.fwd(x, x, x, x, x, None, None, True, 1)[0]


class ByACompiledModule(nn.Module):
    def forward(self, x):
        return OwnFunction.apply(x)


def helper(x, scan=OwnFunction):
    return further(x, scan)


def further(x, scan):
    return scan.apply(x)


class ByAHelper(nn.Module):
    def forward(self, x):
        return helper(x)


class InALambda(nn.Module):
    def forward(self, x):
        return (lambda y: mamba_inner_fn(*y))([x] * 8)


class InTheInstance(nn.Module):
    def __init__(self):
        super().__init__()
        self.selective_scan = selective_scan_fn

    def forward(self, x):
        return self.selective_scan(x, x, x, x, x)


class ByAPartial(nn.Module):
    def __init__(self):
        super().__init__()
        self.core = partial(self.run, function=OwnFunction)

    def run(self, x, function):
        return function.apply(x)

    def forward(self, x):
        return self.core(x)


class WithAConvolution(nn.Module):
    def forward(self, x):
        return selective_scan_fn(causal_conv1d_fn(x, x), x, x, x, x)


class Inherited(Directly):
    pass


def logged(method):
    @functools.wraps(method)
    def run(self, x):
        return method(self, x)

    return run


class Decorated(nn.Module):
    @logged
    def forward(self, x):
        return selective_scan_fn(x, x, x, x, x)


def unnamed(method):
    return lambda self, x: method(self, x)


class DecoratedWithoutTrace(nn.Module):
    @unnamed
    def forward(self, x):
        return selective_scan_fn(x, x, x, x, x)


class Scanner:
    def run(self, x):
        return selective_scan_fn(x, x, x, x, x)


class ByAnObject(nn.Module):
    def __init__(self):
        super().__init__()
        self.core = Scanner().run

    def forward(self, x):
        return self.core(x)


class NormAlone(nn.Module):
    def __init__(self):
        super().__init__()
        self.norm = RMSNorm(4)

    def forward(self, x):
        return rms_norm_fn(causal_conv1d_fn(x, x), self.norm.weight, None)


class Nothing(nn.Module):
    def forward(self, x):
        return torch.nn.functional.silu(x)
"""

CALLS = {
    "Directly": ["selective_scan_fn"],
    "ByAnotherName": ["selective_scan_fn"],
    "ByAnAutogradFunction": ["SelectiveScanFn"],
    "ByACompiledModule": ["selective_scan_cuda_core.fwd"],
    "ByAHelper": ["selective_scan_cuda_core.fwd"],
    "InALambda": ["mamba_inner_fn"],
    "InTheInstance": ["selective_scan_fn"],
    "ByAPartial": ["selective_scan_cuda_core.fwd"],
    "WithAConvolution": ["selective_scan_fn", "causal_conv1d_fn"],
    "Inherited": ["selective_scan_fn"],
    "Decorated": ["selective_scan_fn"],
    "DecoratedWithoutTrace": ["selective_scan_fn"],
    "ByAnObject": ["selective_scan_fn"],
    "NormAlone": [],
    "Nothing": [],
}


@pytest.fixture(scope="module")
def theirs(tmp_path_factory: pytest.TempPathFactory):
    path = tmp_path_factory.mktemp("theirs") / "their_file.py"
    path.write_text(THEIR_FILE, encoding="utf-8")
    with shims():
        return load_file(path, "their_file")


@pytest.mark.parametrize("name", CALLS)
def test_each_way_of_calling_is_read(theirs, name: str) -> None:
    assert sorted(scan_calls(getattr(theirs, name)())) == sorted(CALLS[name])


def test_a_package_that_is_installed_is_known_by_its_names(tmp_path, monkeypatch) -> None:
    folder = tmp_path / "mamba_ssm" / "ops"
    folder.mkdir(parents=True)
    for place in (folder, folder.parent):
        (place / "__init__.py").touch()
    (folder / "selective_scan_interface.py").write_text(
        "def selective_scan_fn(*call):\n    raise RuntimeError('needs a GPU')\n", encoding="utf-8"
    )
    (tmp_path / "their_network.py").write_text(
        "from torch import nn\n"
        "from mamba_ssm.ops.selective_scan_interface import selective_scan_fn\n"
        "class Mixer(nn.Module):\n"
        "    def forward(self, x):\n"
        "        return selective_scan_fn(x, x, x, x, x)\n",
        encoding="utf-8",
    )
    monkeypatch.syspath_prepend(tmp_path)
    try:
        import their_network

        assert scan_calls(their_network.Mixer()) == ["selective_scan_fn"]
    finally:
        for name in [n for n in sys.modules if n.startswith(("mamba_ssm", "their_network"))]:
            del sys.modules[name]


def test_modules_around_a_mixer_call_nothing() -> None:
    network = fresh("mamba_vision").network
    calling = [path for path, module in network.named_modules() if scan_calls(module)]
    assert calling == ["blocks.0.mixer", "blocks.1.mixer"]


def test_layers_of_pytorch_call_nothing() -> None:
    for layer in (nn.Linear(2, 2), nn.LSTM(2, 2), nn.TransformerEncoderLayer(4, 2), nn.GELU()):
        assert scan_calls(layer) == []


def test_what_is_in_an_instance_is_only_looked_at() -> None:
    layer = nn.Identity()
    layer.odd = [object(), partial(print, 1), torch.relu]
    layer.another = partial(torch.nn.functional.silu, inplace=True)
    assert scan_calls(layer) == []
