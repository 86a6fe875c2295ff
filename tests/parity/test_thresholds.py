"""The table of limits, and the wider ones for images of one colour."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from vmamba_deploy.errors import UsageError
from vmamba_deploy.parity.compare import compare_runtimes
from vmamba_deploy.parity.inputs import InputSet
from vmamba_deploy.parity.thresholds import thresholds_for
from vmamba_deploy.runtimes.base import RuntimeStatus

RUNTIMES = (
    *("pytorch", "onnxruntime-body", "onnxruntime-library", "onnxruntime-cuda", "aotinductor"),
    *("tensorrt", "tensorrt_rtx"),
)


class Shifted:
    """Logits of a fixed batch, off by a relative error."""

    name = "onnxruntime-body"

    def __init__(self, error: float) -> None:
        self.error = error

    def status(self):
        return RuntimeStatus(True, "here")

    def open(self):
        return self

    def close(self):
        pass

    def __call__(self, pixel_values):
        rng = np.random.default_rng(2)
        logits = rng.standard_normal((len(pixel_values), 50))
        noise = rng.standard_normal(logits.shape)
        return {"logits": (logits + self.error * noise).astype(np.float32)}


def status_of(error: float, images: tuple[str, ...]):
    one = InputSet("set", np.zeros((len(images), 3, 4, 4), np.float32), images)
    other = InputSet("photo", np.zeros((1, 3, 4, 4), np.float32), ("cat",))
    (result,) = compare_runtimes(Shifted(0), [Shifted(error)], [one, other], "fp16")
    return result


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_more_bits_mean_tighter_limits(runtime):
    limits = [thresholds_for(runtime, precision) for precision in ("fp32", "fp16", "bf16")]
    for tight, wide in itertools.pairwise(limits):
        assert tight.nmse < wide.nmse
        assert tight.cosine > wide.cosine
        assert tight.max_spread < wide.max_spread


@pytest.mark.parametrize("precision", ["fp32", "fp16", "bf16"])
def test_flat_images_have_wider_limits_that_still_mean_something(precision):
    limits = thresholds_for("pytorch", precision)
    flat = limits.for_flat_images()
    assert limits.nmse < flat.nmse < 0.2
    assert limits.max_spread < flat.max_spread
    assert flat.cosine > 0.8


def test_an_unknown_pair_is_a_usage_error():
    with pytest.raises(UsageError, match="int8"):
        thresholds_for("onnxruntime-body", "int8")


def test_flat_images_have_more_room_and_others_do_not():
    error = 3 * thresholds_for("onnxruntime-body", "fp16").nmse ** 0.5
    flat = status_of(error, ("white",))
    assert [one.passed for one in flat.inputs] == [True, False]
    assert flat.inputs[0].flat
    assert status_of(4 * error, ("white",)).inputs[0].passed is False
    assert status_of(error, ("white", "cat")).inputs[0].passed is False


def test_the_figures_of_a_run_leave_flat_images_out():
    error = thresholds_for("onnxruntime-body", "fp16").nmse ** 0.5 / 3
    result = status_of(error, ("white", "black"))
    assert result.status == "passed"
    assert result.metrics.images == 1
