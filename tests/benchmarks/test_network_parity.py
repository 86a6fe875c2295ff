"""Logits are compared with those of plain tensor operations, and what is wrong is told."""

from __future__ import annotations

import copy

import pytest
import torch

from benchmarks.networks import REHEARSED, expected_logits, full_float32, images, network, parity
from vmamba_deploy.models.vmamba.network import convert_precision


@pytest.mark.parametrize("precision", ["fp32", "fp16"])
def test_our_op_agrees_and_a_changed_scan_does_not(precision: str) -> None:
    model, pixels = network(REHEARSED, "cpu"), images(9, 32, 32, "cpu")
    wrong = copy.deepcopy(model)
    with torch.inference_mode():
        expected = expected_logits(model, pixels)
        assert expected.shape == (8, 10)
        result = parity(convert_precision(model, precision)(pixels), expected, precision)
        assert result["agrees"]
        assert 0 < result["nmse"] <= result["largest_nmse"]
        for block in (wrong.layers[0].blocks[0], wrong.layers[2].blocks[0]):
            block.op.A_logs.zero_()
            block.op.Ds.zero_()
            block.op.freeze_scan_parameters()
        broken = parity(convert_precision(wrong, precision)(pixels), expected, precision)
    assert not broken["agrees"]


def test_what_is_not_a_number_does_not_agree() -> None:
    expected = torch.ones(2, 3)
    result = parity(torch.tensor([[1.0, float("nan"), 1.0]] * 2), expected, "AMP fp16")
    assert not result["agrees"]


def test_the_setting_of_cudnn_comes_back_after_an_error() -> None:
    before = torch.backends.cudnn.allow_tf32

    def failing() -> None:
        with full_float32():
            assert torch.backends.cudnn.allow_tf32 is False
            raise ArithmeticError

    with pytest.raises(ArithmeticError):
        failing()
    assert torch.backends.cudnn.allow_tf32 is before
