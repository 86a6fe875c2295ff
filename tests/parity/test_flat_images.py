"""Images of one colour are judged by limits of their own."""

from __future__ import annotations

import numpy as np

from vmamba_deploy.parity.compare import compare_runtimes
from vmamba_deploy.parity.inputs import InputSet
from vmamba_deploy.precisions import PRECISIONS
from vmamba_deploy.runtimes.base import RuntimeStatus


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


def test_flat_images_have_more_room_and_others_do_not():
    error = 3 * PRECISIONS["fp16"].thresholds.nmse ** 0.5
    flat = status_of(error, ("white",))
    assert [one.passed for one in flat.inputs] == [True, False]
    assert flat.inputs[0].flat
    assert status_of(4 * error, ("white",)).inputs[0].passed is False
    assert status_of(error, ("white", "cat")).inputs[0].passed is False


def test_the_figures_of_a_run_leave_flat_images_out():
    error = PRECISIONS["fp16"].thresholds.nmse ** 0.5 / 3
    result = status_of(error, ("white", "black"))
    assert result.status == "passed"
    assert result.metrics.images == 1
