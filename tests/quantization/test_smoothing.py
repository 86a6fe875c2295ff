"""Factors of channels: what they gain beside float64, in the file, and in its proof."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from types import SimpleNamespace

import msgspec
import numpy as np
import onnx
import onnx.parser
import onnx_ir as ir
import pytest

from tests.quantization.linear_chain import SIDE
from vmamba_deploy.artifacts.quantization_facts import QuantizationFacts
from vmamba_deploy.errors import InputFileError
from vmamba_deploy.exporting.onnx_model import OnnxModel
from vmamba_deploy.exporting.passes import ProbeOutputs
from vmamba_deploy.pipeline.events import Event, Steps
from vmamba_deploy.pipeline.quantize import quantize
from vmamba_deploy.preprocessing import IMAGENET_PREPROCESSING
from vmamba_deploy.quantization import smoothing
from vmamba_deploy.quantization.arrays import arrays_given
from vmamba_deploy.quantization.plan import QuantizationPlan
from vmamba_deploy.quantization.quantize import (
    calibrate,
    kept,
    quantized,
    smooth_form,
    with_smooth_layers,
)
from vmamba_deploy.quantization.smoothing import (
    Channels,
    best_exponents,
    expected_error,
    exponents_of,
    smooth,
)
from vmamba_deploy.quantization.structure import check_structure
from vmamba_deploy.runtimes.onnxruntime import create_session

RNG = np.random.default_rng()
K, N, LARGE = 32, 24, 100.0
TEXT = f"""<ir_version: 9, opset_import: ["": 20]>
    g (float[1, 3, {SIDE}, {SIDE}] pixel_values) => (float[1, {N}] logits)
    <int64[2] axes = {{1, 2}}> {{
        m = Transpose<perm = [0, 2, 3, 1]>(pixel_values)
        x = MatMul(m, stem_weight)
        n = LayerNormalization(x, scale, shift)
        g = Sigmoid(x)
        y = Mul(n, g)
        z = MatMul(y, out_weight)
        logits = ReduceMean<keepdims = 0>(z, axes)
    }}"""


@dataclass
class Gated:
    """A norm and a gate before a layer; one channel is large and hardly used."""

    base: OnnxModel
    pixels: np.ndarray

    def calibrated(self) -> QuantizationFacts:
        return calibrate(self.base, self.samples, lambda *_: None, precision="int8")

    @property
    def samples(self):
        given = [{"pixel_values": one[None]} for one in self.pixels]
        return arrays_given(given, self.base)

    def plan(self, **options: object) -> QuantizationPlan:
        samples = tuple({"pixel_values": one[None]} for one in self.pixels)
        return QuantizationPlan(samples=samples, **options)

    def logits(self, model: ir.Model) -> np.ndarray:
        session = create_session(model)
        return np.concatenate(
            [session.run(None, {"pixel_values": x[None]})[0] for x in self.pixels]
        )

    def nmse(self, model: ir.Model) -> float:
        plain = self.logits(self.base.ir).astype(float)
        return float(np.square(self.logits(model) - plain).sum() / np.square(plain).sum())


def write(path: Path, large: float) -> Gated:
    scale, weight = np.ones(K, np.float32), RNG.standard_normal((K, N)).astype(np.float32)
    scale[3] = large
    weight[3] /= 10 * large
    proto = onnx.parser.parse_model(TEXT)
    for name, values in {
        "stem_weight": RNG.standard_normal((3, K)).astype(np.float32),
        "scale": scale,
        "shift": RNG.standard_normal(K).astype(np.float32) * scale,
        "out_weight": weight,
    }.items():
        proto.graph.initializer.append(onnx.numpy_helper.from_array(values, name))
    onnx.save(onnx.shape_inference.infer_shapes(proto), path)
    pixels = RNG.standard_normal((8, 3, SIDE, SIDE)).astype(np.float32)
    return Gated(OnnxModel.read(path), pixels)


@pytest.fixture
def gated(tmp_path: Path) -> Gated:
    return write(tmp_path / "base.onnx", LARGE)


def smoothed(gated: Gated) -> QuantizationFacts:
    return smooth(gated.base, gated.calibrated(), gated.samples, lambda *_: None)


def test_the_large_channel_is_divided_and_the_error_falls(gated: Gated) -> None:
    plain, found = gated.calibrated(), smoothed(gated)
    exponents = exponents_of(found)
    assert list(exponents) == ["out"]
    assert max(range(K), key=exponents["out"].__getitem__) == 3
    form = smooth_form(gated.base, exponents)
    np.testing.assert_array_equal(gated.logits(form.ir), gated.logits(gated.base.ir))
    plain, found = (kept(facts, ["stem"], "for the test") for facts in (plain, found))
    before = gated.nmse(quantized(gated.base.ir, plain, "int8"))
    after = gated.nmse(quantized(form.ir, found, "int8"))
    assert after < before / 5


def test_the_ranges_are_those_of_the_smooth_file(gated: Gated) -> None:
    found = smoothed(gated)
    form = smooth_form(gated.base, exponents_of(found))
    anew = calibrate(form, gated.samples, lambda *_: None, precision="int8")
    assert anew.quantized == pytest.approx(found.quantized, rel=1e-6)


def test_channels_are_seen_over_all_images(gated: Gated, monkeypatch) -> None:
    seen: list[Channels] = []
    monkeypatch.setattr(smoothing, "best_exponents", lambda channels, _w: seen.append(channels))
    smoothed(gated)
    probed = ProbeOutputs({"y": "probe"})(gated.base.ir.clone()).model
    session = create_session(probed)
    maps = [session.run(["probe"], {"pixel_values": one[None]})[0] for one in gated.pixels]
    rows = np.concatenate(maps).reshape(-1, K).astype(float)
    (found,) = seen
    np.testing.assert_allclose(found.largest, np.abs(rows).max(axis=0), rtol=1e-5)
    np.testing.assert_allclose(found.square, np.square(rows).mean(axis=0), rtol=1e-4)


def test_even_channels_stay(tmp_path: Path) -> None:
    even = write(tmp_path / "base.onnx", 1.0)
    assert smoothed(even) == even.calibrated()


def test_a_layer_that_is_kept_is_not_smoothed(gated: Gated) -> None:
    facts = gated.calibrated()
    layers = tuple(msgspec.structs.replace(one, kept="why") for one in facts.layers)
    facts = msgspec.structs.replace(facts, layers=layers)
    assert smooth(gated.base, facts, gated.samples, lambda *_: None) == facts


def test_the_expected_error_is_that_of_rounding() -> None:
    """Up to a constant, beside float64 with random roundings of input and weight."""
    spread = np.exp(RNG.uniform(-2, 2, K))
    x = RNG.standard_normal((4000, K)) * spread
    weight = RNG.standard_normal((K, N))
    channels = Channels(np.abs(x).max(axis=0), np.square(x).mean(axis=0))

    def measured(factors: np.ndarray) -> float:
        y, w = x / factors, weight * factors[:, None]
        step, steps = np.abs(y).max() / 127, np.abs(w).max(axis=0) / 127
        rounded = (np.rint(y / step) * step) @ (np.rint(w / steps) * steps)
        return float(np.square(rounded - x @ weight).mean())

    plain, better = np.ones(K), spread
    ratio = measured(better) / measured(plain)
    estimate = expected_error(channels, weight, better) / expected_error(channels, weight, plain)
    assert estimate == pytest.approx(ratio, rel=0.25)


def test_a_weight_that_would_overflow_is_left() -> None:
    largest = np.ones(K)
    largest[0] = 1e4
    weight = np.full((K, N), 4e4, np.float16)
    channels = Channels(largest, largest**2 / 9)
    assert best_exponents(channels, weight.astype(np.float32)) is not None
    assert best_exponents(channels, weight) is None


class Run:
    """`quantize`, and what it told."""

    def __init__(self, gated: Gated, path: Path, **options: object) -> None:
        self.events: list[Event] = []
        loaded = SimpleNamespace(preprocessing=IMAGENET_PREPROCESSING)
        plan = gated.plan(**options)
        self.base, self.file = quantize(
            gated.base, loaded, path, "int8", plan, Steps(self.events.append)
        )
        assert self.file.quantization is not None
        self.facts = self.file.quantization

    def told(self) -> str:
        return " ".join(event.message for event in self.events if event.step == "smooth")


def test_without_being_asked_nothing_is_smoothed(gated: Gated, tmp_path: Path) -> None:
    run = Run(gated, tmp_path / "q.onnx")
    assert not run.told()
    assert not exponents_of(run.facts)


@pytest.mark.parametrize("options", [{"smooth": True}, {"max_nmse": 1e-2}])
def test_what_gains_is_written_in_base_and_file(gated: Gated, tmp_path: Path, options) -> None:
    run = Run(gated, tmp_path / "q.onnx", **options)
    assert re.search(r"1 layers, NMSE of all \S+ without, \S+ with", run.told())
    exponents = exponents_of(run.facts)
    assert list(exponents) == ["out"]
    on_disk = OnnxModel.read(run.base.path)
    wanted = ir.to_proto(
        with_smooth_layers(gated.base.copied_to(tmp_path / "again.onnx"), exponents).ir
    )
    assert ir.to_proto(on_disk.ir).graph.initializer == wanted.graph.initializer
    assert check_structure(run.base, run.file, run.facts).status == "passed"
    plain = check_structure(gated.base, run.file, run.facts)
    assert plain.status == "failed", "the base that was not smoothed is another one"


def test_what_does_not_gain_is_left(gated: Gated, tmp_path: Path, monkeypatch) -> None:
    from vmamba_deploy.pipeline import quantize as module

    costs = iter([1e-3, 9.5e-4])
    monkeypatch.setattr(
        module, "Sensitivity", lambda *_: SimpleNamespace(nmse=lambda *_a, **_k: next(costs))
    )
    run = Run(gated, tmp_path / "q.onnx", smooth=True)
    assert "left as they were" in run.told()
    assert not exponents_of(run.facts)
    assert check_structure(run.base, run.file, run.facts).status == "passed"


def _initializer(model: ir.Model, name: str) -> ir.Value:
    return model.graph.initializers[name]


def _change(model: ir.Model, name: str, channel: int, factor: float) -> None:
    value = _initializer(model, name)
    values = value.const_value.numpy().copy()
    values[channel] *= np.float32(factor)
    value.const_value = ir.tensor(values, name=name)


def _weight_row(model: ir.Model, channel: int, factor: float) -> None:
    """As far as numbers of 8 bits can be: half of their value, or less."""
    value = _initializer(model, "out_weight_quantized")
    stored = value.const_value.numpy().copy()
    stored[channel] = np.rint(stored[channel] * factor).astype(np.int8)
    value.const_value = ir.tensor(stored, name=value.name)


def a_wrong_factor(model: ir.Model) -> None:
    """Of another channel, on both sides: the network computes the same."""
    for name in ("scale", "shift"):
        _change(model, name, 5, 2.0)
    _weight_row(model, 5, 0.5)


def one_side_only(model: ir.Model) -> None:
    _change(model, "scale", 5, 0.5)


def the_weight_alone(model: ir.Model) -> None:
    _weight_row(model, 5, 0.5)


def no_power_of_two(model: ir.Model) -> None:
    for name in ("scale", "shift"):
        _change(model, name, 5, 1 / 0.7)
    _weight_row(model, 5, 0.7)


def the_shift_forgotten(model: ir.Model) -> None:
    _change(model, "shift", 3, 2.0)


def one_bit(model: ir.Model) -> None:
    _change(model, "scale", 5, 1 + 2.0**-23)


MUTATIONS: dict[str, Callable[[ir.Model], None]] = {
    mutate.__name__: mutate
    for mutate in (
        a_wrong_factor,
        one_side_only,
        the_weight_alone,
        no_power_of_two,
        the_shift_forgotten,
        one_bit,
    )
}


@pytest.mark.parametrize("name", MUTATIONS)
def test_a_wrong_factor_in_the_file_is_noticed(gated: Gated, tmp_path: Path, name: str) -> None:
    run = Run(gated, tmp_path / "q.onnx", smooth=True)
    copy = run.file.ir.clone()
    MUTATIONS[name](copy)
    check = check_structure(run.base, replace(run.file, ir=copy), run.facts)
    assert check.status == "failed"
    assert re.search("has other values|further than half a step", check.reason), check.reason


def edited(facts: QuantizationFacts, letters: str | None) -> QuantizationFacts:
    layers = tuple(
        msgspec.structs.replace(one, smoothed=letters) if one.smoothed else one
        for one in facts.layers
    )
    return msgspec.structs.replace(facts, layers=layers)


@pytest.mark.parametrize("channel", [0, 3])
def test_a_record_with_another_factor_has_another_base(
    gated: Gated, tmp_path: Path, channel: int
) -> None:
    """The base is made anew by the record, where a file is proven later."""
    fresh = gated.base.copied_to(tmp_path / "fresh.onnx")
    run = Run(gated, tmp_path / "q.onnx", smooth=True)
    letters = next(one.smoothed for one in run.facts.layers if one.smoothed)
    other = chr(ord(letters[channel]) - 1)
    facts = edited(run.facts, letters[:channel] + other + letters[channel + 1 :])
    right = smooth_form(fresh, exponents_of(run.facts))
    assert check_structure(right, run.file, run.facts).status == "passed"
    wrong = smooth_form(fresh, exponents_of(facts))
    assert check_structure(wrong, run.file, facts).status == "failed"


def test_a_record_that_does_not_fit_the_network_is_refused(gated: Gated, tmp_path: Path) -> None:
    run = Run(gated, tmp_path / "q.onnx", smooth=True)
    for exponents in ({"stem": (1, 1, 1)}, {"out": (1,)}):
        with pytest.raises(InputFileError, match="cannot be smoothed as the record says"):
            with_smooth_layers(run.base, exponents)
