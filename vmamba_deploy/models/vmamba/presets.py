"""The published VMamba architectures by name. Imports nothing heavy."""

from __future__ import annotations

from vmamba_deploy.models.family import Preset
from vmamba_deploy.models.vmamba.config import DownsampleKind, StemKind, VMambaConfig


def _dims(first: int) -> tuple[int, ...]:
    return tuple(first * 2**stage for stage in range(4))


def _vanilla(third_depth: int, first_dim: int) -> VMambaConfig:
    """The first paper's network: gated block, sixteen states, no MLP."""
    return VMambaConfig(
        depths=(2, 2, third_depth, 2),
        dims=_dims(first_dim),
        ssm_ratio=2.0,
        d_state=16,
        mlp_ratio=0.0,
        gated=True,
        conv_bias=True,
        stem=StemKind.PATCH,
        downsample=DownsampleKind.PATCH_MERGING,
    )


def _modern(ssm_ratio: float, third_depth: int, first_dim: int) -> VMambaConfig:
    """The later network: one state, no gate, an MLP in each block."""
    return VMambaConfig(depths=(2, 2, third_depth, 2), dims=_dims(first_dim), ssm_ratio=ssm_ratio)


_CONFIGS = {
    "vmamba_tiny_s1l8": _modern(1.0, 8, 96),
    "vmamba_small_s1l20": _modern(1.0, 20, 96),
    "vmamba_base_s1l20": _modern(1.0, 20, 128),
    "vmamba_tiny_s2l5": _modern(2.0, 5, 96),
    "vmamba_small_s2l15": _modern(2.0, 15, 96),
    "vmamba_base_s2l15": _modern(2.0, 15, 128),
    "vanilla_vmamba_tiny": _vanilla(9, 96),
    "vanilla_vmamba_small": _vanilla(27, 96),
    "vanilla_vmamba_base": _vanilla(27, 128),
}

PRESETS: dict[str, Preset[VMambaConfig]] = {
    name: Preset(name, config) for name, config in _CONFIGS.items()
}
ALIASES: dict[str, str] = {
    "t": "vmamba_tiny_s1l8",
    "s": "vmamba_small_s1l20",
    "b": "vmamba_base_s1l20",
    "tiny": "vmamba_tiny_s1l8",
    "small": "vmamba_small_s1l20",
    "base": "vmamba_base_s1l20",
}
