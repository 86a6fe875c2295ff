"""A network in the form of the public code gives the network's own logits.

On a CPU the chain goes through Triton's interpreter, in a process of its own. Run as a program,
this module prints the errors as JSON.
"""

from __future__ import annotations

import json
from contextlib import nullcontext

import pytest
import torch
from torch import Tensor

from benchmarks.networks import PublicForm
from tests.benchmarks.triton_interpreter import interpreted
from vmamba_deploy.models.vmamba.config import VMambaConfig
from vmamba_deploy.models.vmamba.initialization import initialize
from vmamba_deploy.models.vmamba.network import (
    VMamba,
    convert_precision,
    empty_network,
    freeze_scan_parameters,
    set_scan_backend,
)

# Largest ||error||^2 / ||logits||^2 to the network itself in float32. Networks this small lose as
# much as 2e-4 by half precision without the chain.
MOST_ERROR = {"fp32": 1e-10, "fp16": 5e-4, "AMP fp16": 5e-4}
NETWORKS = ("frozen", "unfrozen", "gated")
# The interpreter takes seconds for a network, so it does not run all pairs.
INTERPRETED = [("frozen", "fp32"), ("frozen", "AMP fp16"), ("unfrozen", "fp32"), ("gated", "fp16")]


def _network(name: str, device: str) -> VMamba:
    """The smallest network there can be, with random weights; `gated` has N 4."""
    gated = name == "gated"
    config = VMambaConfig(
        depths=(1, 1, 1, 1),
        dims=(4, 8, 16, 32),
        ssm_ratio=1.0,
        num_classes=10,
        gated=gated,
        d_state=4 if gated else 1,
    )
    model = empty_network(config)
    initialize(model, seed=0)
    if name != "unfrozen":
        freeze_scan_parameters(model)
    # As where it is compared with: the op's own kernels are judged elsewhere.
    set_scan_backend(model, "reference")
    return model.to(device=device, memory_format=torch.channels_last)


def _nmse(logits: Tensor, expected: Tensor) -> float:
    return float((logits - expected).square().sum() / expected.square().sum())


def _error(name: str, precision: str, device: str) -> float:
    model = _network(name, device)
    generator = torch.Generator(device).manual_seed(1)
    pixels = torch.randn(1, 3, 32, 40, generator=generator, device=device)
    with torch.inference_mode():
        expected = model(pixels)
        form = PublicForm(convert_precision(model, "fp16") if precision == "fp16" else model)
        amp = precision == "AMP fp16"
        with torch.autocast(device, dtype=torch.float16) if amp else nullcontext():
            logits = form(pixels)
    assert logits.dtype == torch.float32
    return _nmse(logits, expected)


@pytest.fixture(scope="module")
def interpreted_errors() -> dict[str, float]:
    """Errors on the CPU."""
    return interpreted("test_public_model")


@pytest.mark.parametrize(("name", "precision"), INTERPRETED)
def test_interpreted_it_gives_the_networks_logits(
    interpreted_errors: dict[str, float], name: str, precision: str
) -> None:
    assert interpreted_errors[f"{name} {precision}"] <= MOST_ERROR[precision]


@pytest.mark.gpu
@pytest.mark.parametrize("precision", MOST_ERROR)
@pytest.mark.parametrize("name", NETWORKS)
def test_on_a_gpu_it_gives_the_networks_logits(
    monkeypatch: pytest.MonkeyPatch, name: str, precision: str
) -> None:
    pytest.importorskip("triton")
    monkeypatch.setattr(torch.backends.cudnn, "allow_tf32", False)
    monkeypatch.setattr(torch.backends.cuda.matmul, "allow_tf32", False)
    assert _error(name, precision, "cuda") <= MOST_ERROR[precision]


if __name__ == "__main__":
    errors = {
        f"{name} {precision}": _error(name, precision, "cpu") for name, precision in INTERPRETED
    }
    print(json.dumps(errors))  # noqa: T201
