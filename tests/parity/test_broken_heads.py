"""A segmentation head that computes something else fails the comparison itself, in fp32."""

import copy
from collections.abc import Callable
from functools import cache

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from tests.dense_golden import FOLDER
from vmamba_deploy.models import load_weights
from vmamba_deploy.models.dense.resizing import resize_nearest, size_of
from vmamba_deploy.parity.compare import compare_runtimes
from vmamba_deploy.parity.inputs import build_inputs
from vmamba_deploy.runtimes.pytorch import PyTorchRuntime
from vmamba_deploy.tasks.segmentation import SEGMENTATION

WITH_LOGITS = SEGMENTATION.with_optional(("logits",))


class LostPyramidLevel(nn.Module):
    """In place of the convolution of one of the pooled maps: nothing is left of it."""

    def __init__(self, whole: nn.Module) -> None:
        super().__init__()
        self.whole = whole

    def forward(self, x: Tensor) -> Tensor:
        return torch.zeros_like(self.whole(x))


class LabelsBeforeResize(nn.Module):
    """The largest logit is taken first, and its label is then resized."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, pixel_values: Tensor) -> dict[str, Tensor]:
        outputs = self.network(pixel_values)
        small = outputs["logits"].argmax(dim=1, keepdim=True).float()
        wide = resize_nearest(small, size_of(pixel_values))[:, 0]
        return outputs | {"labels": wide.to(torch.int32)}


class InOrder(nn.Module):
    """Gives a network's outputs as a runtime takes them: in the task's order, without names."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, pixel_values: Tensor) -> tuple[Tensor, ...]:
        return tuple(self.network(pixel_values).values())


@cache
def loaded():
    return load_weights(str(FOLDER / "seg_v0.pth"))


def network() -> nn.Module:
    """A copy that gives the logits beside."""
    made = copy.deepcopy(loaded().model).eval()
    made.optional_outputs = ("logits",)
    return made


def lost_level(level: int) -> Callable[[nn.Module], nn.Module]:
    def broken(whole: nn.Module) -> nn.Module:
        whole.decode_head.psp_modules[level] = LostPyramidLevel(
            whole.decode_head.psp_modules[level]
        )
        return whole

    return broken


def judged(broken: Callable[[nn.Module], nn.Module]):
    sets = build_inputs((1,), loaded().preprocessing.for_size((96, 128)))[:1]
    (result,) = compare_runtimes(
        PyTorchRuntime(InOrder(network()), WITH_LOGITS),
        [PyTorchRuntime(InOrder(broken(network())), WITH_LOGITS)],
        sets,
        "fp32",
        task=WITH_LOGITS,
    )
    return result


def test_the_whole_head_passes():
    result = judged(lambda whole: whole)
    assert result.status == "passed", result.reason
    assert all(np.isfinite(one.metrics.distance) for one in result.inputs)


@pytest.mark.parametrize("level", range(4))
def test_a_lost_level_of_the_pooling_pyramid_fails(level):
    result = judged(lost_level(level))
    assert result.status == "failed"
    assert "logits: nmse" in result.reason


def test_labels_that_were_taken_before_the_resize_fail():
    result = judged(LabelsBeforeResize)
    assert result.status == "failed"
    assert "labels: " in result.reason
    assert "logits: " not in result.reason
