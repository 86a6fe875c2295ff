from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from vmamba_deploy.errors import InputFileError
from vmamba_deploy.models import load_model

Weights = dict[str, Tensor]


def renamed(weights: Weights, pattern: str, replacement: str) -> Weights:
    changed = {re.sub(pattern, replacement, name): value for name, value in weights.items()}
    assert set(changed) != set(weights), "the dialect changes nothing"
    return changed


def reshaped(weights: Weights, pattern: str, reshape: Any) -> Weights:
    assert any(re.search(pattern, name) for name in weights)
    return {
        name: reshape(value) if re.search(pattern, name) else value
        for name, value in weights.items()
    }


def as_first_paper(weights: Weights) -> Weights:
    weights = renamed(weights, r"^patch_embed\.0", "patch_embed.proj")
    weights = renamed(weights, r"^patch_embed\.2", "patch_embed.norm")
    weights = renamed(weights, r"(blocks\.\d+)\.norm\.", r"\1.ln_1.")
    weights = renamed(weights, r"\.op\.", ".self_attention.")
    weights = renamed(weights, r"^classifier\.norm", "norm")
    return renamed(weights, r"^classifier\.head", "head")


def as_one_layer_per_route(weights: Weights) -> Weights:
    split: Weights = {}
    for name, value in weights.items():
        match = re.match(r"(.*\.)(x_proj|dt_projs)_(weight|bias)$", name)
        if match is None:
            split[name] = value
            continue
        prefix, layer, kind = match.groups()
        split |= {f"{prefix}{layer}.{k}.{kind}": value[k].clone() for k in range(4)}
    return split


LINEARS = r"(in_proj|out_proj|fc1|fc2|head|reduction)\.weight$"
DIALECTS: dict[str, Any] = {
    "projections as layers": lambda w: renamed(
        renamed(w, r"x_proj_weight", "x_proj.weight"), r"dt_projs_(\w+)", r"dt_projs.\1"
    ),
    "one layer per route": as_one_layer_per_route,
    "linear as 1x1 convolution": lambda w: reshaped(w, LINEARS, lambda t: t[:, :, None, None]),
    "projections as grouped convolution": lambda w: reshaped(
        w, r"(x_proj|dt_projs)_weight$", lambda t: t.flatten(0, 1)[:, :, None]
    ),
    "projections flat": lambda w: reshaped(
        w, r"(x_proj_weight|dt_projs_weight|dt_projs_bias)$", lambda t: t.flatten(0, 1)
    ),
    "scan parameters by route": lambda w: reshaped(
        reshaped(w, r"A_logs$", lambda t: t.unflatten(0, (4, -1))),
        r"Ds$",
        lambda t: t.unflatten(0, (4, -1)),
    ),
    "head on top": lambda w: renamed(w, r"^classifier\.", ""),
    "attention names": lambda w: renamed(w, r"(blocks\.\d+)\.op\.", r"\1.self_attention."),
}


def assert_loads(variant: Weights, weights: Weights, path: Path) -> None:
    torch.save({"model": variant}, path)
    state = load_model(path).state_dict()
    assert set(state) == set(weights)
    for name, tensor in weights.items():
        assert torch.equal(state[name], tensor), name


@pytest.mark.parametrize("dialect", DIALECTS)
def test_dialects_of_both_blocks(
    dialect: str, s2_weights: Weights, v0_weights: Weights, checkpoint: Path
) -> None:
    for weights in (s2_weights, v0_weights):
        assert_loads(DIALECTS[dialect](weights), weights, checkpoint)


def test_second_norm_by_number(s2_weights: Weights, checkpoint: Path) -> None:
    assert_loads(renamed(s2_weights, r"\.norm2\.", ".ln_2."), s2_weights, checkpoint)


def test_first_paper(v0_weights: Weights, checkpoint: Path) -> None:
    assert_loads(as_first_paper(v0_weights), v0_weights, checkpoint)


def test_patch_merging_by_position(v0_weights: Weights, checkpoint: Path) -> None:
    numbered = renamed(v0_weights, r"downsample\.norm", "downsample.1")
    numbered = renamed(numbered, r"downsample\.reduction", "downsample.2")
    assert_loads(numbered, v0_weights, checkpoint)


def test_one_weight_in_two_dialects(s2_weights: Weights, checkpoint: Path) -> None:
    both = s2_weights | {"head.weight": s2_weights["classifier.head.weight"]}
    torch.save(both, checkpoint)
    with pytest.raises(InputFileError, match=r"classifier\.head\.weight' twice"):
        load_model(checkpoint)


HEADS = {
    "head.fc": "head.fc.",
    "fc": "fc.",
    "classifier": "classifier.",
    "Sequential(Dropout, Linear)": "head.1.",
    "the same inside the classifier": "classifier.head.1.",
    "mmpretrain": "cls_head.fc.",
}


@pytest.mark.parametrize("head", HEADS)
def test_heads_named_otherwise(head: str, s2_weights: Weights, checkpoint: Path) -> None:
    named = renamed(s2_weights, r"^classifier\.norm\.", "norm.")
    assert_loads(renamed(named, r"^classifier\.head\.", HEADS[head]), s2_weights, checkpoint)


def test_a_head_of_several_layers_is_refused(s2_weights: Weights, checkpoint: Path) -> None:
    several = renamed(s2_weights, r"^classifier\.head\.", "head.0.")
    several |= {"head.2.weight": torch.ones(10, 10), "head.2.bias": torch.ones(10)}
    torch.save(several, checkpoint)
    with pytest.raises(InputFileError, match=r"'classifier\.head\.\w+' twice"):
        load_model(checkpoint)


def as_first_port(weights: Weights) -> Weights:
    for ours, theirs in {"0": "0", "2": "1", "5": "3", "7": "4"}.items():
        theirs = f"patch_embeddings.projection.{theirs}."
        weights = renamed(weights, rf"^patch_embed\.{ours}\.", theirs)
    weights = renamed(weights, r"downsample\.1\.", "downsample.down.")
    weights = renamed(weights, r"downsample\.3\.", "downsample.norm.")
    weights = renamed(weights, r"x_proj_weight$", "x_proj.weight")
    weights = renamed(weights, r"dt_projs_weight$", "dt_projs.weight")
    weights = reshaped(weights, r"(x_proj|dt_projs)\.weight$", lambda t: t.flatten(0, 1))
    weights = renamed(weights, r"^classifier\.norm", "norm")
    weights = renamed(weights, r"^(?!classifier)", "vmamba.")
    return renamed(weights, r"^classifier\.head", "head")


def as_second_port(weights: Weights) -> Weights:
    for ours, theirs in {"0": "conv1", "2": "norm1", "5": "conv2", "7": "norm2"}.items():
        weights = renamed(weights, rf"^patch_embed\.{ours}\.", f"embeddings.{theirs}.")
    weights = renamed(weights, r"downsample\.1\.", "downsample.conv.")
    weights = renamed(weights, r"downsample\.3\.", "downsample.norm.")
    weights = renamed(weights, r"^layers\.", "encoder.layers.")
    weights = renamed(weights, r"^classifier\.norm", "layernorm")
    weights = renamed(weights, r"^(?!classifier)", "vmamba.")
    return renamed(weights, r"^classifier\.head", "classifier")


@pytest.mark.parametrize("port", [as_first_port, as_second_port])
def test_ports_to_transformers(port: Any, s2_weights: Weights, checkpoint: Path) -> None:
    assert_loads(port(s2_weights), s2_weights, checkpoint)


def test_second_port_of_the_first_paper(v0_weights: Weights, checkpoint: Path) -> None:
    weights = renamed(v0_weights, r"^patch_embed\.0\.", "embeddings.projection.")
    weights = renamed(weights, r"^patch_embed\.2\.", "embeddings.norm.")
    weights = renamed(weights, r"^classifier\.norm", "layernorm")
    assert_loads(weights, v0_weights, checkpoint)


def test_mmpretrain(s2_weights: Weights, checkpoint: Path) -> None:
    weights = renamed(s2_weights, r"^classifier\.norm\.", "outnorm3.")
    weights = renamed(weights, r"^(?!classifier)", "backbone.")
    weights = renamed(weights, r"^classifier\.head\.", "head.fc.")
    outnorm = {f"outnorm3.{k}": s2_weights[f"classifier.norm.{k}"] for k in ("weight", "bias")}
    torch.save({"state_dict": weights}, checkpoint)
    assert_loads(weights, s2_weights | outnorm, checkpoint)
