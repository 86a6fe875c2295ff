from __future__ import annotations

import dataclasses
import subprocess
import sys

import pytest
import torch

from vmamba_deploy.errors import UsageError
from vmamba_deploy.models import resolve_preset
from vmamba_deploy.models.vmamba.family import VMAMBA
from vmamba_deploy.models.vmamba.network import VMamba
from vmamba_deploy.models.vmamba.presets import ALIASES, PRESETS

PARAMETER_COUNTS = {
    "vanilla_vmamba_tiny": 22_893_448,
    "vanilla_vmamba_small": 44_417_416,
    "vanilla_vmamba_base": 76_254_056,
    "vmamba_tiny_s2l5": 30_705_832,
    "vmamba_small_s2l15": 50_147_752,
    "vmamba_base_s2l15": 88_557_800,
    "vmamba_tiny_s1l8": 30_249_064,
    "vmamba_small_s1l20": 49_012_840,
    "vmamba_base_s1l20": 86_614_504,
}


def test_the_counts_cover_every_preset() -> None:
    assert set(PARAMETER_COUNTS) == set(PRESETS)


@pytest.mark.parametrize("name", PARAMETER_COUNTS)
def test_parameter_count(name: str) -> None:
    with torch.device("meta"):
        model = VMamba(PRESETS[name].config)
    assert sum(p.numel() for p in model.parameters()) == PARAMETER_COUNTS[name]


@pytest.mark.parametrize("channels", [1, 3, 13])
def test_a_preset_may_have_another_number_of_input_channels(channels: int) -> None:
    config = dataclasses.replace(PRESETS["vmamba_tiny_s1l8"].config, in_chans=channels)
    with torch.device("meta"):
        model = VMamba(config)
    assert model.in_chans == channels
    assert VMAMBA.like_file(PRESETS["vmamba_tiny_s1l8"].config, model.state_dict()) == config
    assert VMAMBA.preset_with(config) == "vmamba_tiny_s1l8"


@pytest.mark.parametrize(
    ("alias", "name"),
    [("t", "vmamba_tiny_s1l8"), ("S", "vmamba_small_s1l20"), (" b ", "vmamba_base_s1l20")],
)
def test_aliases(alias: str, name: str) -> None:
    assert resolve_preset(alias).name == name


@pytest.mark.parametrize("name", PRESETS)
def test_full_names_resolve_to_themselves(name: str) -> None:
    assert resolve_preset(name.upper().replace("_", "-")) is PRESETS[name]
    assert name not in ALIASES


def test_unknown_name_suggests_close_ones() -> None:
    with pytest.raises(UsageError) as error:
        resolve_preset("vmamba_tiny_s1l9")
    assert "vmamba_tiny_s1l9" in error.value.message
    assert "vmamba_tiny_s1l8" in (error.value.hint or "").split("?")[0]


def test_unknown_name_without_close_ones_lists_all() -> None:
    with pytest.raises(UsageError) as error:
        resolve_preset("zzzzzzzzzz")
    assert all(name in (error.value.hint or "") for name in PRESETS)


def test_a_preset_cannot_be_changed() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        PRESETS["vmamba_tiny_s1l8"].name = "other"  # type: ignore[misc]


def test_preprocessing_is_the_published_evaluation() -> None:
    preprocessing = resolve_preset("t").preprocessing
    assert (preprocessing.resize_pixels, preprocessing.crop_pixels) == (256, (224, 224))
    assert preprocessing.interpolation == "bicubic"


def test_presets_import_no_torch() -> None:
    code = "import sys; import vmamba_deploy.models; assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)
