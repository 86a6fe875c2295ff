"""On a machine that has mamba_ssm: the real Python code stays, its compiled module is served.

The package here is a small one of our own that calls its compiled module as the real one does, and
the compiled module is a file that refuses the CPU.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest
import torch

from vmamba_deploy.adapting import adapt, shims, unadapted
from vmamba_deploy.adapting.report import SCAN

COMPILED = """
class Forward:
    def __call__(self, *call):
        raise RuntimeError("selective_scan_cuda: expected a CUDA tensor")

fwd = Forward()
"""
INTERFACE = """
import torch
import selective_scan_cuda


class SelectiveScanFn(torch.autograd.Function):
    @staticmethod
    def forward(ctx, u, delta, A, B, C, D=None, z=None, delta_bias=None, delta_softplus=False):
        out, x, *rest = selective_scan_cuda.fwd(
            u, delta, A, B.unsqueeze(1), C.unsqueeze(1), D, z, delta_bias, delta_softplus
        )
        ctx.save_for_backward(u, x)
        ctx.last_state = x[:, :, -1, 1::2]
        return rest[0] if rest else out


def selective_scan_fn(*arguments, **named):
    u, delta, a, b, c = arguments
    return SelectiveScanFn.apply(
        u, delta, a, b, c, None, named.get("z"), named.get("delta_bias"), True
    )
"""
NETWORK = """
import torch
from torch import nn
from mamba_ssm.ops.selective_scan_interface import selective_scan_fn


class Mixer(nn.Module):
    def __init__(self):
        super().__init__()
        self.step, self.maps = nn.Linear(6, 6), nn.Linear(6, 8)
        self.A = nn.Parameter(torch.rand(6, 4) + 0.5)

    def forward(self, x):
        b, c = self.maps(x).transpose(1, 2).chunk(2, dim=1)
        u = x.transpose(1, 2)
        y = selective_scan_fn(u, self.step(x).transpose(1, 2), -self.A, b, c, z=u)
        return y.transpose(1, 2)
"""


@pytest.fixture
def network(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    folder = tmp_path / "mamba_ssm" / "ops"
    folder.mkdir(parents=True)
    files = {
        "selective_scan_cuda.py": COMPILED,
        "mamba_ssm/__init__.py": "",
        "mamba_ssm/ops/__init__.py": "",
        "mamba_ssm/ops/selective_scan_interface.py": INTERFACE,
        "their_network.py": NETWORK,
    }
    for name, text in files.items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    try:
        yield importlib.import_module("their_network")
    finally:
        for name in ("mamba_ssm", "selective_scan_cuda", "their_network"):
            for loaded in [one for one in sys.modules if one.partition(".")[0] == name]:
                del sys.modules[loaded]


@torch.no_grad()
def test_it_runs_on_the_cpu_inside_shims_and_is_adapted(network: ModuleType) -> None:
    mixer, x = network.Mixer(), torch.randn(2, 5, 6)
    with pytest.raises(RuntimeError, match="expected a CUDA tensor"):
        mixer(x)
    with shims():
        plain = mixer(x)
    (replaced,) = adapt(mixer).replaced
    assert (replaced.what, replaced.by) == ("Mixer, its calls of selective_scan_fn", SCAN)
    adapted = mixer(x)  # outside of shims
    torch.testing.assert_close(adapted, plain, atol=1e-6, rtol=1e-5)
    with shims(), unadapted():
        assert torch.equal(mixer(x), plain)
    traced = torch.export.export(mixer, (x,))
    targets = [node.target for node in traced.graph.nodes]
    assert targets.count(torch.ops.vmamba.selective_scan.default) == 1
    with pytest.raises(RuntimeError, match="expected a CUDA tensor"):
        network.Mixer()(x)
