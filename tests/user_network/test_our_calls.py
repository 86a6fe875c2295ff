"""What is noted of a call is true of the network, whatever the image."""

from __future__ import annotations

import torch

from vmamba_deploy.ops.selective_scan.specification import SELECTIVE_SCAN, ScanDims
from vmamba_deploy.testing import every_form, random_tensors
from vmamba_deploy.user_network.our_calls import weight_sizes


def test_the_form_of_the_step_is_noted_and_the_image_is_not() -> None:
    for dims in every_form(ScanDims(2, 3, 5, 7, 4, 3)):
        inputs = random_tensors(dims, torch.float32).scan
        sizes = weight_sizes(SELECTIVE_SCAN, (*inputs, list(dims.routes), 1))
        assert sizes["step_per_channel"] == dims.step_per_channel
        assert sizes["N"] == 4
        assert not sizes.keys() & {"B", "H", "W"}
