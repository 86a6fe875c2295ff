"""From a calibrated network to its file and record."""

from __future__ import annotations

import json
from pathlib import Path

import msgspec
import numpy as np
import onnx
import onnx_ir as ir
import pytest

from tests.quantization.conftest import Quantized
from tests.quantization.linear_chain import Chain, chain, pictures
from vmamba_deploy.artifacts.quantization_facts import QuantizationFacts
from vmamba_deploy.errors import BuildError
from vmamba_deploy.exporting.narrow_scans import wide_scans
from vmamba_deploy.exporting.onnx_model import OnnxModel
from vmamba_deploy.quantization.images import CalibrationImages
from vmamba_deploy.quantization.quantize import (
    BESIDE_SCAN,
    NO_FLOAT8,
    WIDE_RESULT,
    calibrate,
    kept,
    quantized,
    record_text,
    with_narrow_scans,
    write_quantized,
)
from vmamba_deploy.runtimes.onnxruntime import create_session

NOTES = {"preset": "custom", "labels": '["one", "two"]', "precision": "fp32"}


class Made:
    """A chain, calibrated; of its own file."""

    def __init__(self, folder: Path) -> None:
        rng = np.random.default_rng()
        self.chain: Chain = chain(rng)
        self.base = self.chain.write(folder / "base.onnx")
        self.images: CalibrationImages = pictures(rng, self.base, 6)
        self.facts = calibrate(self.base, self.images, lambda *_: None, precision="int8")
        self.path = folder / "model.onnx"

    @property
    def pixels(self) -> np.ndarray:
        return np.concatenate([feed["pixel_values"] for feed in self.images.feeds()])


@pytest.fixture
def made(tmp_path: Path) -> Made:
    return Made(tmp_path)


def test_the_record_says_what_each_layer_became(made: Made) -> None:
    facts, wanted = made.facts, made.chain.inputs(made.pixels)
    assert (facts.base, facts.method, facts.samples) == ("fp32", "minmax", 6)
    assert facts.images == {"random": "0" * 64}
    assert [layer.name for layer in facts.layers] == made.chain.names
    assert [layer.multiply_adds for layer in facts.layers] == made.chain.multiply_adds
    largest = [float(np.abs(one).max()) for one in wanted]
    assert [layer.largest for layer in facts.layers] == pytest.approx(largest, rel=1e-5)
    assert [layer.kept for layer in facts.layers] == [None] * len(wanted)
    assert facts.largest_scan is None


def test_what_an_engine_would_not_gain_by_is_kept_over_fp16_alone(quantized_digits) -> None:
    over = {base: quantized_digits("int8", base).facts for base in ("fp32", "fp16")}
    why = {"x_proj": BESIDE_SCAN, "1": WIDE_RESULT}
    assert not any(layer.kept for layer in over["fp32"].layers)
    for layer in over["fp16"].layers:
        assert layer.kept == why.get(layer.name.rpartition(".")[2])
    assert {layer.kept for layer in over["fp16"].layers} == {None, *why.values()}
    assert over["fp32"].largest_scan is None
    assert over["fp16"].largest_scan > 0


def test_a_convolution_is_kept_from_float8(quantized_digits) -> None:
    facts = quantized_digits("fp8", "fp32").facts
    kept = {layer.name: layer.kept for layer in facts.layers if layer.kept}
    assert kept == dict.fromkeys(["layers.1.downsample.1", "layers.2.downsample.1"], NO_FLOAT8)


def test_a_convolution_multiplies_once_for_each_pixel_that_it_writes(quantized_digits) -> None:
    """4 x 4 pixels of 16 channels become 2 x 2 of 32, by windows of 3 x 3; then one of 64."""
    layers = quantized_digits().facts.layers
    found = {layer.name: layer.multiply_adds for layer in layers if layer.largest_result}
    assert [*found.values()] == [2 * 2 * 32 * 9 * 16, 64 * 9 * 32]


def test_a_network_without_a_linear_layer_is_refused(made: Made) -> None:
    for node in list(made.base.ir.graph):
        if node.op_type == "MatMul":
            node.op_type = "Gemm"
    with pytest.raises(BuildError, match="no layer to quantize"):
        calibrate(made.base, made.images, lambda *_: None, precision="int8")


def test_the_file_computes_what_float64_says_and_keeps_what_the_base_said(made: Made) -> None:
    made.base.ir.metadata_props.update(NOTES)
    file = write_quantized(made.base, made.facts, "int8", made.path)
    read = OnnxModel.read(made.path)
    assert file.path == read.path == made.path
    assert read.metadata | NOTES | {"precision": "int8"} == read.metadata
    assert list(read.metadata) == sorted(read.metadata)
    assert read.quantization == made.facts
    assert (read.precision, read.base) == ("int8", "fp32")
    largest = {place: layer.largest for place, layer in enumerate(made.facts.layers)}
    wanted = made.chain.logits(made.pixels, range(len(largest)), largest)
    plain = made.chain.logits(made.pixels)
    session = create_session(read.ir)
    got = np.concatenate([session.run(None, dict(feed))[0] for feed in made.images.feeds()])
    rounding = np.square(wanted - plain).mean()
    assert np.square(got - wanted).mean() < 0.1 * rounding
    assert rounding > 0


def test_the_base_stays_as_it_was(made: Made) -> None:
    before = ir.to_proto(made.base.ir).SerializeToString(deterministic=True)
    write_quantized(made.base, made.facts, "fp8", made.path)
    assert ir.to_proto(made.base.ir).SerializeToString(deterministic=True) == before


def test_weights_that_lie_beside_the_base_are_put_into_the_file(made: Made, tmp_path: Path) -> None:
    proto = ir.to_proto(made.base.ir)
    apart = tmp_path / "apart" / "base.onnx"
    apart.parent.mkdir()
    onnx.save_model(proto, str(apart), save_as_external_data=True, size_threshold=0)
    base = OnnxModel.read(apart)
    assert base.data_files
    few = kept(made.facts, made.chain.names[1:], "for the test")
    file = write_quantized(base, few, "int8", made.path)
    assert not file.data_files
    assert list(OnnxModel.read(made.path).quantization.quantized) == made.chain.names[:1]


def test_a_file_that_is_not_sound_is_not_left(made: Made) -> None:
    made.base.ir.graph.outputs[0].type = ir.TensorType(ir.DataType.INT64)
    with pytest.raises(BuildError, match=r"quantized file does not pass onnx\.checker"):
        write_quantized(made.base, made.facts, "int8", made.path)
    assert not made.path.exists()
    assert [path.name for path in made.path.parent.iterdir()] == ["base.onnx"]


def test_scans_are_narrowed_in_the_file_itself(digits_base, tmp_path: Path) -> None:
    wide = digits_base("fp16").copied_to(tmp_path / "model.onnx")
    narrow = with_narrow_scans(wide)
    assert len(wide_scans(wide.ir)) == 4
    assert not wide_scans(narrow.ir)
    assert not wide_scans(OnnxModel.read(tmp_path / "model.onnx").ir)
    assert narrow.path == wide.path


def test_only_what_is_named_is_quantized(made: Made) -> None:
    name = made.chain.names[1]
    facts = kept(made.facts, [one for one in made.chain.names if one != name], "not named")
    model = quantized(made.base.ir, facts, "int8")
    whole = [node.op_type for node in model.graph].count("DequantizeLinear")
    assert whole == 2


def test_kept_layers_are_told_and_others_stay(made: Made) -> None:
    first, *others = made.facts.layers
    found = kept(made.facts, [first.name], "why not")
    assert found.layers == (msgspec.structs.replace(first, kept="why not"), *others)
    assert first.name not in found.quantized


def test_equal_records_are_equal_texts(made: Made) -> None:
    sums = {"b.png": "1" * 64, "a.png": "0" * 64}
    turned = dict(reversed(sums.items()))
    one, two = (msgspec.structs.replace(made.facts, images=images) for images in (sums, turned))
    text = record_text(one)
    assert text == record_text(two)
    assert msgspec.convert(json.loads(text), QuantizationFacts) == one
    assert " " not in text


def test_the_record_of_a_network_with_scans_travels_as_well(quantized_digits) -> None:
    made: Quantized = quantized_digits("int8", "fp16")
    assert made.file.quantization == made.facts
