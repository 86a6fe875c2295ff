"""Dense networks in their precisions: what is cast, what stays, and how near the outputs are."""

from __future__ import annotations

import pytest
import torch

from tests.dense_golden import arrays
from tests.models.dense.golden import loaded, prepared
from vmamba_deploy.models.dense.layers import BatchNorm

LAST = ("conv_seg", "rpn_cls", "rpn_reg", "fc_cls", "fc_reg", "conv_logits")


def cast(name, precision):
    one = loaded(name)
    network = one.family.cast(one.model, precision)
    one.family.freeze(network)
    return one.model, network


@pytest.mark.parametrize("name", ["seg_v0", "det_cascade_v0"])
@pytest.mark.parametrize("precision", ["fp16", "bf16"])
def test_what_stays_float32(name, precision):
    model, network = cast(name, precision)
    half = torch.float16 if precision == "fp16" else torch.bfloat16
    assert {value.dtype for value in model.state_dict().values()} == {torch.float32}
    seen = set()
    for path, value in network.state_dict().items():
        if path.startswith("backbone."):
            continue
        layer = path.split(".")[-2]
        seen.add(layer)
        assert value.dtype == (torch.float32 if layer in LAST else half), path
    assert seen & set(LAST)
    backbone = loaded(name).family.cast(model, precision).backbone
    dtypes = {value.dtype for value in backbone.state_dict().values()}
    assert dtypes == {torch.float32, half}


@torch.inference_mode()
def test_normalisations_are_folded_and_nothing_changes():
    model, network = cast("seg_v0", "fp32")
    assert any(isinstance(layer, BatchNorm) for layer in model.modules())
    assert not any(isinstance(layer, BatchNorm) for layer in network.modules())
    pixels, _ = prepared(arrays("seg_v0")["image"])
    torch.testing.assert_close(
        network.head_logits(pixels), model.head_logits(pixels), rtol=1e-5, atol=1e-4
    )


@torch.inference_mode()
@pytest.mark.parametrize(("precision", "agreement"), [("fp16", 0.995), ("bf16", 0.95)])
def test_labels_in_half_precision(precision, agreement):
    model, network = cast("seg_v0", precision)
    pixels, _ = prepared(arrays("seg_v0")["image"])
    got = network(pixels)["labels"]
    assert (got == model(pixels)["labels"]).float().mean() >= agreement


@torch.inference_mode()
def test_raw_outputs_of_a_detector_in_half_precision():
    model, network = cast("det_mask_s1", "fp16")
    pixels, sizes = prepared(arrays("det_mask_s1")["image"][None], 32)
    wanted = [model.rpn_head.raw(x) for x in model.neck(model.forward_features(pixels))]
    got = [network.rpn_head.raw(x) for x in network.neck(network.forward_features(pixels))]
    for one, reference in zip(got, wanted, strict=True):
        for half, full in zip(one, reference, strict=True):
            assert half.dtype == torch.float32
            error = (half - full).square().sum() / full.square().sum()
            assert 0 < error < 1e-4
    outputs = network(pixels, sizes)
    assert {key: value.dtype for key, value in outputs.items()} == {
        key: value.dtype for key, value in model(pixels, sizes).items()
    }
