"""Weights that a precision would lose are named before anything is exported."""

from __future__ import annotations

import copy
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from vmamba_deploy.errors import InputFileError
from vmamba_deploy.exporting.checks import check_weights
from vmamba_deploy.exporting.onnx_file import export_onnx
from vmamba_deploy.exporting.options import ExportOptions
from vmamba_deploy.models import load_weights

GOLDEN = Path(__file__).parents[1] / "data" / "golden"
CAST, KEPT = "layers.1.blocks.0.mlp.fc1.weight", "layers.1.blocks.0.norm.weight"


@pytest.fixture
def changed(small):
    """The network with values put into one of its weights, at random places."""

    def change(name, *values):
        model = copy.deepcopy(small.model)
        flat = model.state_dict()[name].view(-1)
        flat[torch.randperm(len(flat))[: len(values)]] = torch.tensor(values)
        return replace(small, model=model)

    return change


@pytest.mark.parametrize("precision", ["fp32", "fp16", "bf16"])
def test_sound_weights_are_no_news(small, precision):
    assert check_weights(small, precision) is None


@pytest.mark.parametrize("precision", ["fp32", "fp16", "bf16"])
@pytest.mark.parametrize("name", [CAST, KEPT])
@pytest.mark.parametrize("value", [float("nan"), float("-inf")])
def test_weights_that_are_not_finite_are_refused_in_any_precision(changed, precision, name, value):
    with pytest.raises(InputFileError, match=rf"NaN or infinity: {name} \(2 values\)"):
        check_weights(changed(name, value, value), precision)


@pytest.mark.parametrize(("precision", "value"), [("fp16", 65_520.0), ("bf16", 3.4e38)])
def test_an_overflow_is_refused_by_name_where_it_is_cast(changed, tmp_path, precision, value):
    spoilt = changed(CAST, -value)
    with pytest.raises(InputFileError, match=rf"too large for {precision}.*: {CAST} \(1 values"):
        export_onnx(spoilt, tmp_path / "m.onnx", ExportOptions(precision, image_size=64))
    assert list(tmp_path.iterdir()) == []
    assert check_weights(spoilt, "fp32") is None
    assert check_weights(changed(KEPT, value), precision) is None


def test_the_largest_of_the_precision_passes(changed):
    assert check_weights(changed(CAST, 65_504.0, -65_519.0), "fp16") is None


def test_values_that_become_0_or_lose_digits_are_counted_by_tensor(changed, small):
    told = check_weights(changed(CAST, *[1e-9] * 20), "fp16")
    size = small.model.state_dict()[CAST].numel()
    assert f"{CAST} (20 of {size} become 0)" in (told or "")
    assert check_weights(changed(CAST, *[1e-9] * 20), "bf16") is None
    assert f"{CAST} (1 of {size}" in (check_weights(changed(CAST, 1e-41), "fp16") or "")
    tiny = [3e-7 + 1e-9 * n for n in range(size)]
    assert f"{CAST} (0 of {size}" in (check_weights(changed(CAST, *tiny), "fp16") or "")
    assert check_weights(changed(KEPT, 1e-41), "fp16") is None


def test_a_weight_that_overflows_where_it_is_put_into_another_is_refused():
    """A normalisation of batches becomes a part of its convolution, which may then be too large."""
    loaded = load_weights(str(GOLDEN / "dense" / "seg_v0.pth"))
    assert check_weights(loaded, "fp16") is None
    loaded.model.get_parameter("decode_head.bottleneck.bn.weight").data[3] = 1e9
    with pytest.raises(InputFileError, match=r"too large for fp16.*bottleneck\.conv\.weight"):
        check_weights(loaded, "fp16")
