"""The stand-in of `Mamba`, and an adapted one, give what the public code of Vision Mamba gave."""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from vmamba_deploy.adapting import adapt
from vmamba_deploy.adapting.stand_ins.layer_norm import layer_norm_fn
from vmamba_deploy.adapting.stand_ins.mamba import Mamba

FOLDER = Path(__file__).parents[2] / "data" / "golden" / "vim"
# Channels, blocks and states; whether the directions' sum is halved, and the norm is an RMSNorm.
MODELS = {
    "vim_mid": (48, 4, 16, True, True),
    "vim_stride": (48, 3, 16, True, True),
    "vim_head": (40, 3, 8, False, False),
    "vim_pool": (24, 2, 16, True, True),
}
BLOCKS = [(name, block) for name, (_, blocks, *_) in MODELS.items() for block in range(blocks)]


def weights_of(name: str) -> dict[str, Tensor]:
    with torch.serialization.safe_globals([argparse.Namespace]):
        return torch.load(FOLDER / f"{name}.pth", weights_only=True)["model"]


@torch.no_grad()
@pytest.mark.parametrize(("name", "block"), BLOCKS)
def test_a_block_gives_what_the_public_code_gives(name: str, block: int) -> None:
    channels, _, states, halved, rms = MODELS[name]
    mixer = Mamba(channels, d_state=states, bimamba_type="v2", if_devide_out=halved)
    weights, prefix = weights_of(name), f"layers.{block}."
    own = {key.removeprefix(prefix): one for key, one in weights.items() if key.startswith(prefix)}
    mixer.load_state_dict(
        {key.removeprefix("mixer."): own[key] for key in own if key.startswith("mixer.")}
    )
    with np.load(FOLDER / f"{name}.npz") as arrays:
        residual, expected = (
            torch.from_numpy(arrays[f"{kind}{block}"]) for kind in ("residual", "hidden")
        )
    norm, bias = own["norm.weight"], own.get("norm.bias")
    x = layer_norm_fn(residual, norm, bias, eps=1e-5, is_rms_norm=rms)
    torch.testing.assert_close(mixer(x), expected, atol=1e-5, rtol=2e-6)
    (replaced,) = adapt(mixer).replaced
    assert replaced.what == "Mamba, as a whole"
    torch.testing.assert_close(mixer(x), expected, atol=1e-5, rtol=2e-6)
