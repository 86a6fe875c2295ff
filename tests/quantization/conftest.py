"""The digits network, quantized: its base, its record, and its file, once for all tests."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from samples.train_digits.digits_data import PREPROCESSING
from vmamba_deploy.artifacts.quantization_facts import QuantizationFacts
from vmamba_deploy.exporting.onnx_model import OnnxModel
from vmamba_deploy.precisions import BaseName, PrecisionName
from vmamba_deploy.quantization.images import calibration_images
from vmamba_deploy.quantization.quantize import calibrate, write_quantized


@dataclass(frozen=True)
class Quantized:
    """A quantized file and what it is made of."""

    base: OnnxModel
    file: OnnxModel
    facts: QuantizationFacts


@pytest.fixture(scope="session")
def digits_base(digits_artifact: Callable[..., Path]) -> Callable[[BaseName], OnnxModel]:
    """The digits network before; do not change it."""

    def base(precision: BaseName) -> OnnxModel:
        return OnnxModel.read(digits_artifact(precision, engine=False) / "model.onnx")

    return base


@pytest.fixture(scope="session")
def quantized_digits(
    digits_base: Callable[[BaseName], OnnxModel], tmp_path_factory: pytest.TempPathFactory
) -> Callable[..., Quantized]:
    """`quantized_digits("int8", "fp16")`, calibrated on the photographs; do not change it."""
    made: dict[tuple[str, str], Quantized] = {}

    def quantized(precision: PrecisionName = "int8", base: BaseName = "fp32") -> Quantized:
        if (precision, base) not in made:
            before = digits_base(base)
            images = calibration_images(None, before, PREPROCESSING)
            facts = calibrate(before, images, lambda _what, _done: None, precision=precision)
            path = tmp_path_factory.mktemp("quantized") / "model.onnx"
            file = write_quantized(before, facts, precision, path)
            made[precision, base] = Quantized(before, file, facts)
        return made[precision, base]

    return quantized
