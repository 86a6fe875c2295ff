from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from onnx import TensorProto, helper
from torch import nn

from vmamba_deploy.analysis.measured_session import Call
from vmamba_deploy.analysis.resolution import (
    Measurement,
    SizeFigures,
    accuracy,
    exponent,
    exponents,
    measure_sizes,
    take_turns,
)
from vmamba_deploy.errors import UsageError
from vmamba_deploy.evaluation.classes import ModelClasses
from vmamba_deploy.evaluation.samples import read_samples
from vmamba_deploy.preprocessing import IMAGENET_PREPROCESSING


@pytest.mark.parametrize("power", [0.0, 1.0, 1.5, 2.0])
def test_a_power_of_the_size_has_its_power_as_exponent(power):
    sizes = np.random.default_rng().integers(100, 10**6, 6)
    assert exponent(sizes, 3.7e-3 * sizes**power) == pytest.approx(power, abs=1e-9)


def test_nothing_has_no_exponent():
    assert np.isnan(exponent([1, 2, 3], [0, 1, 2]))


def figures(side, factor=1.0):
    pixels = side**2
    return SizeFigures(
        side=side,
        median_ms=2e-3 * pixels * factor,
        fastest_ms=0.0,
        cpu_ms=1e-3 * pixels**1.5,
        peak_bytes=5_000_000 + 40 * pixels**2,
        empty_bytes=5_000_000,
        multiply_adds=100 * pixels,
        floor_ms=0.0,
    )


def test_each_exponent_is_of_its_own_figures():
    found = exponents([figures(side) for side in (32, 64, 128)])
    told = found.time, found.cpu_time, found.memory, found.multiply_adds
    np.testing.assert_allclose(told, (1.0, 1.5, 2.0, 1.0), atol=1e-9)
    assert exponents([figures(32)]) is None


def test_noise_around_a_line_is_evened_out():
    noise = (0.9, 1.1, 1.1, 0.9)
    found = exponents([figures(s, f) for s, f in zip((64, 128, 256, 512), noise, strict=True)])
    # By hand: logarithms of the noise against x = -3, -1, 1, 3 times log 4 / 2.
    assert found.time == pytest.approx(1.0, abs=1e-9)


class Grey(nn.Module):
    """Two classes: dark and bright, by the mean."""

    def forward(self, pixels):
        mean = pixels.mean(dim=(1, 2, 3), keepdim=False)
        return torch.stack([-mean, mean], dim=1)


@dataclass(frozen=True)
class Reduced:
    """A network of ReduceMean, a product and a Concat, for images of any size, written by hand."""

    name: str
    random: bool = False
    any_size: bool = True

    def build(self, size):
        return Grey()

    def preprocessing(self, size):
        return IMAGENET_PREPROCESSING.for_size(size)

    def export(self, network, size, path: Path):
        wide = ["height", "width"] if self.any_size else list(size)
        nodes = [
            helper.make_node("ReduceMean", ["pixel_values", "axes"], ["mean"], keepdims=0),
            helper.make_node("Unsqueeze", ["mean", "last"], ["column"]),
            helper.make_node("Mul", ["column", "signs"], ["logits"]),
        ]
        constants = [
            helper.make_tensor("axes", TensorProto.INT64, [3], [1, 2, 3]),
            helper.make_tensor("last", TensorProto.INT64, [1], [1]),
            helper.make_tensor("signs", TensorProto.FLOAT, [1, 2], [-1.0, 1.0]),
        ]
        taken = helper.make_tensor_value_info("pixel_values", TensorProto.FLOAT, [1, 3, *wide])
        given = helper.make_tensor_value_info("logits", TensorProto.FLOAT, [1, 2])
        graph = helper.make_graph(nodes, "grey", [taken], [given], constants)
        opset = [helper.make_opsetid("", 20)]
        onnx.save(helper.make_model(graph, opset_imports=opset, ir_version=10), str(path))


@pytest.fixture
def grey_images(tmp_path):
    """Eight images, of which one bright one lies among the dark."""
    from PIL import Image

    values = {"bright": (250, 240, 230), "dark": (5, 10, 20, 30, 245)}
    for name, levels in values.items():
        folder = tmp_path / "images" / name
        folder.mkdir(parents=True)
        for level in levels:
            Image.new("RGB", (40, 40), (level,) * 3).save(folder / f"{level}.png")
    return read_samples(tmp_path / "images", ModelClasses(2, ("dark", "bright")))


def test_networks_are_measured_at_every_size(tmp_path, grey_images):
    contenders = [Reduced("free"), Reduced("fixed", any_size=False), Reduced("noise", random=True)]
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    told = []
    plan = Measurement((32, 48), 2, 1, None, grey_images)
    curves, rate = measure_sizes(contenders, plan, scratch, lambda *event: told.append(event))
    assert [curve.network for curve in curves] == ["free", "fixed", "noise"]
    assert sorted(path.name for path in scratch.iterdir()) == [
        "0.onnx",
        "1-32.onnx",
        "1-48.onnx",
        "2.onnx",
    ]
    for curve in curves:
        assert [one.side for one in curve.figures] == [32, 48]
        for one in curve.figures:
            assert 0 < one.fastest_ms <= one.median_ms
            assert one.peak_bytes > one.empty_bytes > 10 << 20
            assert one.floor_ms == pytest.approx(one.multiply_adds / rate * 1e3)
            seven_of_eight = one.top1 is not None and (one.top1.count, one.top1.total) == (7, 8)
            assert seven_of_eight is (curve.network != "noise")
    assert {fraction for _, fraction in told} == {0.0, 0.5}


def test_the_first_call_of_each_is_not_counted_and_turns_alternate():
    called = []

    def session(name):
        def call(pixels):
            called.append((name, pixels.shape))
            return Call(ms=float(len(called)), cpu_ms=0.0, output=pixels)

        return call

    sessions = {"a": session("a"), "b": session("b")}
    found = take_turns(sessions, {"a": 3, "b": 1}, 8, rounds=2)
    assert called == [("a", (1, 3, 8, 8)), ("b", (1, 1, 8, 8))] * 3
    times = {name: [call.ms for call in calls] for name, calls in found.items()}
    assert times == {"a": [3.0, 5.0], "b": [4.0, 6.0]}


def test_accuracy_counts_images_whose_class_comes_first(grey_images):
    class Session:
        """Says bright of everything, from what it is given."""

        def __call__(self, pixels):
            assert pixels.shape == (1, 3, 32, 32)
            assert pixels.dtype == np.float32
            return type("Call", (), {"output": np.array([[0.0, 1.0]], np.float32)})

    found = accuracy(Session(), grey_images, IMAGENET_PREPROCESSING.for_size((32, 32)))
    assert (found.count, found.total) == (3, 8)


@pytest.mark.parametrize(
    ("sides", "rounds", "word"),
    [
        ((), 1, "ascend"),
        ((64, 32), 1, "ascend"),
        ((64, 64), 1, "ascend"),
        ((0, 32), 1, "from 1 to 4096"),
        ((32, 5000), 1, "from 1 to 4096"),
        ((32,), 0, "at least one round"),
    ],
)
def test_numbers_that_make_no_sense(sides, rounds, word):
    with pytest.raises(UsageError, match=word):
        Measurement(sides, rounds, 0, None)
