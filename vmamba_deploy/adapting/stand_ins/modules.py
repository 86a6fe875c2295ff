"""Which modules stand in for which, and what is in them."""

from __future__ import annotations

from collections.abc import Mapping
from types import ModuleType
from typing import Any

from vmamba_deploy.adapting.stand_ins import (
    causal_conv1d,
    extensions,
    layer_norm,
    mamba,
    triton,
)
from vmamba_deploy.adapting.stand_ins import selective_scan_interface as scan
from vmamba_deploy.adapting.stand_ins.absent import absent

_OF_VMAMBA = ("core", "ndstate", "nrow", "oflex")
_NORMS: Mapping[str, Any] = {
    "RMSNorm": layer_norm.RMSNorm,
    "layer_norm_fn": layer_norm.layer_norm_fn,
    "rms_norm_fn": layer_norm.rms_norm_fn,
}
_SCANS: Mapping[str, Any] = {
    "MambaInnerFn": scan.MambaInnerFn,
    "SelectiveScanFn": scan.SelectiveScanFn,
    "mamba_inner_fn": scan.mamba_inner_fn,
    "mamba_inner_fn_no_out_proj": scan.mamba_inner_fn_no_out_proj,
    "mamba_inner_ref": scan.mamba_inner_fn,
    "selective_scan_fn": scan.selective_scan_fn,
    "selective_scan_ref": scan.selective_scan_fn,
}
_WITHOUT_GATE: Mapping[str, Any] = {
    "selective_scan_fn": scan.selective_scan_fn_without_gate,
    "selective_scan_ref": scan.selective_scan_fn_without_gate,
}

CONTENTS: Mapping[str, Mapping[str, Any]] = {
    "causal_conv1d": {"causal_conv1d_fn": causal_conv1d.causal_conv1d_fn},
    "causal_conv1d.causal_conv1d_interface": {"causal_conv1d_fn": causal_conv1d.causal_conv1d_fn},
    "causal_conv1d_cuda": {"causal_conv1d_fwd": causal_conv1d.causal_conv1d_fwd},
    "mamba_ssm": {
        "Mamba": mamba.Mamba,
        "mamba_inner_fn": scan.mamba_inner_fn,
        "selective_scan_fn": scan.selective_scan_fn,
    },
    "mamba_ssm.modules": {},
    "mamba_ssm.modules.mamba_simple": {"Mamba": mamba.Mamba, "RMSNorm": layer_norm.RMSNorm},
    "mamba_ssm.ops": {},
    "mamba_ssm.ops.selective_scan_interface": _SCANS,
    "mamba_ssm.ops.triton": {},
    "mamba_ssm.ops.triton.layer_norm": _NORMS,
    "mamba_ssm.ops.triton.layernorm": _NORMS,
    "selective_scan": _WITHOUT_GATE,
    "selective_scan_cuda": {"fwd": extensions.forward_of_mamba},
    **{f"selective_scan_cuda_{kind}": {"fwd": extensions.forward_of_vmamba} for kind in _OF_VMAMBA},
    "triton": {
        "Config": triton.Config,
        "autotune": triton.autotune,
        "cdiv": triton.cdiv,
        "heuristics": triton.autotune,
        "jit": triton.jit,
        "next_power_of_2": triton.next_power_of_2,
    },
}
"""Of each module by its full name, what it can do on any machine."""

ABSENT: Mapping[str, tuple[str, ...]] = {
    "causal_conv1d": ("causal_conv1d_update",),
    "causal_conv1d.causal_conv1d_interface": ("causal_conv1d_update",),
    "causal_conv1d_cuda": ("causal_conv1d_bwd", "causal_conv1d_update"),
    "mamba_ssm": ("Mamba2", "MambaLMHeadModel"),
    "mamba_ssm.models": (),
    "mamba_ssm.models.mixer_seq_simple": ("MambaLMHeadModel", "MixerModel", "create_block"),
    "mamba_ssm.models.config_mamba": ("MambaConfig",),
    "mamba_ssm.modules.block": ("Block",),
    "mamba_ssm.modules.mamba2": ("Mamba2",),
    "mamba_ssm.modules.mamba2_simple": ("Mamba2Simple",),
    "mamba_ssm.modules.mamba_simple": ("Block",),
    "mamba_ssm.modules.mha": ("MHA",),
    "mamba_ssm.modules.mlp": ("GatedMLP",),
    "mamba_ssm.ops.selective_scan_interface": ("bimamba_inner_fn",),
    "mamba_ssm.ops.triton.layernorm_gated": ("RMSNorm", "layernorm_fn", "rmsnorm_fn"),
    "mamba_ssm.ops.triton.selective_state_update": ("selective_state_update",),
    "mamba_ssm.ops.triton.ssd_combined": (
        "mamba_chunk_scan_combined",
        "mamba_split_conv1d_scan_combined",
    ),
    "mamba_ssm.utils": (),
    "mamba_ssm.utils.generation": ("GenerationMixin", "InferenceParams"),
    "mamba_ssm.utils.hf": ("load_config_hf", "load_state_dict_hf"),
    "selective_scan_cuda": ("bwd",),
    **{f"selective_scan_cuda_{kind}": ("bwd",) for kind in _OF_VMAMBA},
}
"""Of each module, names that code imports and that mean nothing without CUDA."""

_ANY_NAME = ("triton.language", "triton.language.extra", "triton.runtime")


def top_level() -> list[str]:
    """The names that a machine has or has not."""
    return sorted({name.partition(".")[0] for name in (*CONTENTS, *ABSENT)})


def make(top: str) -> dict[str, ModuleType]:
    """Stand-ins for a top-level module and what is below it, by their full names."""
    names = sorted({name for name in (*CONTENTS, *ABSENT, *_ANY_NAME) if _is_below(name, top)})
    made: dict[str, ModuleType] = {}
    for name in names:
        module = triton.Names(name) if name in _ANY_NAME else ModuleType(name)
        module.__doc__ = f"Stands in for {name}: vmamba_deploy.shims()."
        module.__path__ = []
        for key, value in CONTENTS.get(name, {}).items():
            setattr(module, key, value)
        for key in ABSENT.get(name, ()):
            setattr(module, key, absent(f"{name}.{key}"))
        made[name] = module
        parent, _, last = name.rpartition(".")
        if parent:
            setattr(made[parent], last, module)
    return made


def _is_below(name: str, top: str) -> bool:
    return name == top or name.startswith(top + ".")
