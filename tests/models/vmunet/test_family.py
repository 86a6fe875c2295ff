"""Checkpoints and presets of VM-UNet: what is taken, dropped, refused, and named."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor

from tests.vmunet_golden import FOLDER, NAMES, described, loaded
from vmamba_deploy.errors import InputFileError, UsageError
from vmamba_deploy.models import (
    create_model,
    family_of,
    load_model,
    load_weights,
    resolve_preset,
)
from vmamba_deploy.models.family import ClassNames
from vmamba_deploy.models.origin import name_classes
from vmamba_deploy.models.vmamba.layers.ss2d import SS2D
from vmamba_deploy.models.vmunet.family import VMUNET
from vmamba_deploy.models.vmunet.network import VMUNet
from vmamba_deploy.models.vmunet.presets import ISIC_PREPROCESSING, SYNAPSE_PREPROCESSING
from vmamba_deploy.pipeline.info import describe_path

Weights = dict[str, Tensor]


@pytest.fixture
def in_file() -> Weights:
    """A bare state dict, as the public code saves its best one."""
    return torch.load(FOLDER / "vmunet_binary.pth", weights_only=True)


@pytest.fixture
def saved(tmp_path: Path) -> Callable[[object], Path]:
    def save(content: object) -> Path:
        torch.save(content, tmp_path / "best.pth")
        return tmp_path / "best.pth"

    return save


def same(network: torch.nn.Module, other: torch.nn.Module) -> bool:
    state, wanted = network.state_dict(), other.state_dict()
    return state.keys() == wanted.keys() and all(torch.equal(state[k], wanted[k]) for k in state)


@pytest.mark.parametrize("name", NAMES)
def test_the_architecture_is_told_by_the_shapes(name):
    one, arch = load_weights(str(FOLDER / f"{name}.pth")), described()[name]["arch"]
    config = one.model.config
    assert one.family is VMUNET
    assert isinstance(one.model, VMUNet)
    assert list(config.encoder.depths) == arch["depths"]
    assert list(config.decoder_depths) == arch["depths_decoder"]
    assert list(config.encoder.dims) == arch["dims"]
    assert config.num_classes == arch["num_classes"]
    assert (one.model.tasks, one.model.preset_name) == (("segmentation",), None)
    assert sum(each.numel() for each in one.model.parameters()) == described()[name]["params"]
    assert one.origin.prefix == "vmunet."
    (note,) = one.origin.notes
    assert "are: RGB (no preset; --assume channels=1 or 3)" in note


@pytest.mark.parametrize("prefix", ["", "module.", "net.model."])
def test_any_prefix(prefix, in_file, saved):
    path = saved({prefix + key: value for key, value in in_file.items()})
    assert same(load_model(path), loaded("vmunet_binary").model)


def test_counters_of_operations_are_dropped_with_a_word_and_nothing_else(in_file, saved):
    counted = ("vmunet.total_ops", "vmunet.layers.0.blocks.0.total_params")
    counters = {key: torch.zeros(1, dtype=torch.float64) for key in counted}
    one = load_weights(str(saved(in_file | counters)))
    assert same(one.model, loaded("vmunet_binary").model)
    assert one.origin.notes[0] == "left out 2 tensors: *.total_ops, *.total_params"
    with pytest.raises(InputFileError, match="unexpected in the file") as refused:
        load_model(saved(in_file | {"vmunet.layers_up.4.blocks.0.ln_1.weight": torch.ones(3)}))
    assert "layers_up.4.blocks.0.norm.weight" in refused.value.message


def test_a_missing_part_is_named(in_file, saved):
    for part in ("layers_up.2.upsample.norm", "final_up.expand", "layers.1.downsample.reduction"):
        left = {key: value for key, value in in_file.items() if part not in key}
        with pytest.raises(InputFileError, match="missing from the file") as refused:
            load_model(saved(left))
        assert part in refused.value.message
    headless = {key: value for key, value in in_file.items() if "final_conv" not in key}
    with pytest.raises(InputFileError, match=r"of a VM-UNet: there is no 'final_conv\.weight'"):
        load_model(saved(headless))


def test_a_training_checkpoint_says_where_its_weights_are():
    described = describe_path(FOLDER / "vmunet_nine.pth")
    assert described["weights_key"] == "model_state_dict"
    assert described["classes"] == 9
    assert described["decoder_depths"] == [1, 1, 2, 1]
    assert described["tasks"] == ["segmentation"]


@pytest.mark.parametrize(
    ("name", "parameters", "channels", "prepared"),
    [
        ("vmunet_isic", 27_427_561, 3, ISIC_PREPROCESSING),
        ("vmunet_synapse", 27_427_761, 1, SYNAPSE_PREPROCESSING),
    ],
)
def test_presets(name, parameters, channels, prepared):
    preset = resolve_preset(name)
    assert family_of(preset) is VMUNET
    with torch.device("meta"):
        network = VMUNET.build(preset.config)
    assert sum(each.numel() for each in network.parameters()) == parameters
    assert (network.in_chans, preset.preprocessing) == (channels, prepared)
    weights = {key: value.to("meta") for key, value in network.state_dict().items()}
    assert VMUNET.detect(weights) == preset.config
    assert VMUNET.preset_with(preset.config) == name
    assert VMUNET.preset_with(replace(preset.config, num_classes=4)) is None
    assert (network.config, VMUNET.like_file(preset.config, weights)) == (preset.config,) * 2
    (calls,) = VMUNET.op_calls(preset.config, "segmentation")
    scans = [module for module in network.modules() if isinstance(module, SS2D)]
    assert calls.count == len(scans) == 15


def test_the_preset_goes_by_a_short_name_and_is_over_no_other():
    assert resolve_preset("VMUNet").name == "vmunet_isic"
    assert resolve_preset("t", "segmentation").name == "upernet_vmamba_tiny_s1l8"
    with pytest.raises(UsageError, match="No preset over 'vmunet_isic' can do the task detection"):
        resolve_preset("vmunet", "detection")


def test_a_file_that_must_fit_a_preset(tmp_path):
    with pytest.raises(InputFileError, match="does not fit preset vmunet_synapse"):
        load_model(FOLDER / "vmunet_nine.pth", "vmunet_synapse")


def test_the_same_seed_gives_the_same_weights_under_which_every_class_is_found():
    first, again, other = (create_model("vmunet_synapse", seed=seed) for seed in (1, 1, 2))
    assert same(first, again)
    assert not same(first, other)
    with torch.inference_mode():
        outputs = first(torch.rand(1, 1, 64, 96))
    assert len(outputs["labels"].unique()) >= 5


@torch.inference_mode()
def test_one_channel_is_taken_three_times():
    network, image = loaded("vmunet_binary").model, torch.randn(1, 1, 32, 64)
    grey, repeated = network(image), network(image.expand(-1, 3, -1, -1))
    assert torch.equal(grey["logits"], repeated["logits"])


def test_sides_that_do_not_fit_are_refused():
    with pytest.raises(UsageError, match="multiples of 32, not 64x80"):
        loaded("vmunet_binary").model(torch.zeros(1, 3, 64, 80))


def test_a_single_logit_has_two_names():
    network = load_model(FOLDER / "vmunet_binary.pth")
    name_classes(network, ClassNames(("lesion",), None))
    assert network.class_labels is None
    name_classes(network, ClassNames(("skin", "lesion"), ((0, 0, 0), (255, 0, 0))))
    assert network.class_labels == ("skin", "lesion")
    assert network.palette is not None


@torch.inference_mode()
@pytest.mark.parametrize("precision", ["fp16", "bf16"])
def test_what_is_cast_and_what_stays(precision):
    model, dtype = loaded("vmunet_binary").model, {"fp16": torch.float16, "bf16": torch.bfloat16}
    network = VMUNET.cast(model, precision)
    assert {each.dtype for each in model.parameters()} == {torch.float32}
    for path, module in network.named_modules():
        if isinstance(module, torch.nn.Linear | torch.nn.Conv2d):
            wanted = torch.float32 if path == "final_conv" else dtype[precision]
            assert module.weight.dtype == wanted, path
        elif isinstance(module, torch.nn.LayerNorm):
            assert module.weight.dtype == torch.float32, path
    pixels = torch.randn(1, 3, 64, 64)
    wanted, got = model(pixels)["logits"], network(pixels)["logits"]
    assert got.dtype == torch.float32
    nmse = (got - wanted).square().sum() / wanted.square().sum()
    assert 0 < nmse < {"fp16": 1e-3, "bf16": 5e-2}[precision]
