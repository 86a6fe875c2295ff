"""The networks through the compiled operator."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from vmamba_deploy import create_model, load_model
from vmamba_deploy.models.vmamba.network import (
    convert_precision,
    freeze_scan_parameters,
    set_scan_backend,
)
from vmamba_deploy.native import available

_USABLE, _REASON = available("vmamba_cpu")
pytestmark = pytest.mark.skipif(not _USABLE, reason=f"no native CPU library: {_REASON}")


@torch.no_grad()
def test_golden_outputs(golden: Any) -> None:
    logits = load_model(golden.classifier_path)(golden.pixel_values)
    torch.testing.assert_close(logits, golden.logits, atol=1e-5, rtol=0)
    features = load_model(golden.backbone_path).forward_features(golden.pixel_values)
    for mine, theirs in zip(features, golden.features, strict=True):
        torch.testing.assert_close(mine, theirs, atol=1e-5, rtol=0)


@torch.no_grad()
@pytest.mark.parametrize(("precision", "tolerance"), [("fp32", 2e-5), ("fp16", 3e-2)])
def test_agrees_with_the_reference_where_the_scan_matters(precision: Any, tolerance: float) -> None:
    model = convert_precision(create_model("t", seed=4), precision)
    images = torch.randn(2, 3, 32, 48)
    native = model(images)
    set_scan_backend(model, "reference")
    # In half precision one flipped rounding makes all later ones differ, so two right answers lie
    # as far from each other (5e-3) as from float32; without its scan the network is 0.7 away.
    torch.testing.assert_close(native, model(images), atol=tolerance, rtol=0)


@torch.no_grad()
def test_the_operator_is_one_node_for_each_block() -> None:
    model = create_model("t")
    freeze_scan_parameters(model)
    program = torch.export.export(
        model,
        (torch.randn(2, 3, 64, 64),),
        dynamic_shapes=({0: torch.export.Dim("batch")},),
    )
    nodes = [n for n in program.graph.nodes if "vmamba.selective_scan_2d" in str(n.target)]
    assert len(nodes) == sum(model.config.depths) == 14
    # Frozen parameters reach the operator directly: nothing is left to fold.
    assert all(argument.op == "placeholder" for node in nodes for argument in node.args[2:6])
    image = torch.randn(3, 3, 64, 64)
    torch.testing.assert_close(program.module()(image), model(image))
