from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from vmamba_deploy.models.vmamba.network import (
    VMamba,
    convert_precision,
    freeze_scan_parameters,
    selective_scans,
    set_scan_backend,
)

LoadReference = Callable[[Path], VMamba]
DTYPES = {"fp16": torch.float16, "bf16": torch.bfloat16}


@pytest.mark.parametrize("precision", ["fp16", "bf16"])
def test_which_weights_change(
    both_blocks: Any, load_reference: LoadReference, precision: Any
) -> None:
    model = load_reference(both_blocks.classifier_path)
    converted, half = convert_precision(model, precision), DTYPES[precision]
    assert {p.dtype for p in model.parameters()} == {torch.float32}
    for name, module in converted.named_modules():
        if isinstance(module, nn.LayerNorm) or name == "classifier.head":
            assert module.weight.dtype is torch.float32, name
        elif isinstance(module, nn.Linear | nn.Conv2d):
            assert module.weight.dtype is half, name
    for layer in selective_scans(converted):
        assert layer.x_proj_weight.dtype is half
        assert {part.dtype for part in layer.scan_parameters()} == {torch.float32}


@torch.no_grad()
@pytest.mark.parametrize(("precision", "tolerance"), [("fp16", 4e-3), ("bf16", 4e-2)])
@pytest.mark.parametrize("frozen", [False, True])
def test_results_stay_close(
    both_blocks: Any,
    load_reference: LoadReference,
    precision: Any,
    tolerance: float,
    frozen: bool,
) -> None:
    model = load_reference(both_blocks.classifier_path)
    if frozen:
        freeze_scan_parameters(model)
    converted = convert_precision(model, precision)
    logits = converted(both_blocks.pixel_values)
    assert logits.dtype is torch.float32
    error = (logits - both_blocks.logits).abs().max() / both_blocks.logits.abs().max()
    assert 0 < error < tolerance


@torch.no_grad()
def test_the_residual_stream_is_float32(both_blocks: Any, load_reference: LoadReference) -> None:
    converted = convert_precision(load_reference(both_blocks.classifier_path), "fp16")
    seen = []
    for stage in converted.layers:
        stage.blocks.register_forward_hook(lambda _m, _i, output: seen.append(output.dtype))
    converted(both_blocks.pixel_values)
    assert seen == [torch.float32] * 4


@torch.no_grad()
def test_fp32_is_a_copy_with_equal_bits(both_blocks: Any, load_reference: LoadReference) -> None:
    model = load_reference(both_blocks.classifier_path)
    copied = convert_precision(model, "fp32")
    assert copied is not model
    assert torch.equal(copied(both_blocks.pixel_values), model(both_blocks.pixel_values))


@torch.no_grad()
@pytest.mark.parametrize(
    ("dtype", "tolerance"), [(torch.float16, 4e-3), (torch.bfloat16, 4e-2)], ids=str
)
@pytest.mark.parametrize("backend", ["native", "reference"])
@pytest.mark.parametrize("frozen", [False, True])
def test_autocast_of_a_float32_network_stays_close(
    both_blocks: Any,
    load_reference: LoadReference,
    dtype: torch.dtype,
    tolerance: float,
    backend: Any,
    frozen: bool,
) -> None:
    model = load_reference(both_blocks.classifier_path)
    set_scan_backend(model, backend)
    if frozen:
        freeze_scan_parameters(model)
    seen = []
    for layer in selective_scans(model):
        layer.conv2d.register_forward_hook(lambda _m, _i, output: seen.append(output.dtype))
    with torch.autocast("cpu", dtype=dtype):
        logits = model(both_blocks.pixel_values)
    error = (logits - both_blocks.logits).abs().max() / both_blocks.logits.abs().max()
    assert 0 < error < tolerance
    assert set(seen) == {dtype}  # no map goes through float32 on its way to the scan
