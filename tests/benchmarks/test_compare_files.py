"""Files of contenders: exported alike, quantized so that runtimes fuse them, counted right."""

from __future__ import annotations

import importlib.util
from collections import Counter
from pathlib import Path

import numpy as np
import onnxruntime as ort
import pytest
import torch

from benchmarks.compare import files as files_module
from benchmarks.compare.contenders import CONTENDERS, SIDE, YARDSTICK, Contender
from benchmarks.compare.files import Files, counted
from benchmarks.compare.networks import Preset, without_constants
from benchmarks.compare.running import FP32, INT8
from benchmarks.compare.ways import DEFAULT_WAYS, runtime_on
from tests.benchmarks.compare_stand_ins import CHANNELS, CLASSES, MICRO, PATCH, RESIDUAL, TOKENS
from tests.benchmarks.compare_stand_ins import SIDE as SMALL
from vmamba_deploy.exporting.layers import quantizable_layers
from vmamba_deploy.exporting.onnx_model import OnnxModel
from vmamba_deploy.models import resolve_preset
from vmamba_deploy.quantization.proof import FUSED, optimized_ops
from vmamba_deploy.runtimes.onnxruntime import OnnxRuntimeLibrary

# Millions of parameters and 1e9 multiply-adds, as the papers or the tables of their repositories
# say. Of ours there, the scans are counted in other ways, and parameters to two digits.
PUBLISHED = {
    "Swin-T": (28.3, 4.5),
    "Swin-S": (49.6, 8.7),
    "Swin-B": (87.8, 15.4),
    "ConvNeXt-T": (28.6, 4.5),
    "ConvNeXt-S": (50.2, 8.7),
    "ConvNeXt-B": (88.6, 15.4),
    "DeiT-T": (5.7, 1.3),
    "DeiT-S": (22.1, 4.6),
    "DeiT-B": (86.6, 17.6),
    "ResNet-50": (25.6, 4.1),
    "RegNetY-4G": (20.6, 4.0),
    "RegNetY-16G": (83.6, 16.0),
    "VMamba-T": (30.2, None),
    "VMamba-S": (49.0, None),
    "VMamba-B": (86.6, None),
    "Vim-T": (7.148, None),
    "Vim-S": (25.80, None),
}


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Files:
    return Files(tmp_path_factory.mktemp("files"))


def images(batch: int) -> np.ndarray:
    return np.random.default_rng().normal(size=(batch, 3, SMALL, SMALL)).astype(np.float32)


def test_the_registry_is_complete() -> None:
    assert next(iter(CONTENDERS)) == YARDSTICK
    assert set(PUBLISHED) == set(CONTENDERS)
    for contender in CONTENDERS.values():
        assert contender.sides[0] == SIDE
        assert 70 < contender.top1 < 85
        if isinstance(contender.network, Preset):
            assert resolve_preset(contender.network.name).name == contender.network.name


@pytest.mark.parametrize("name", CONTENDERS)
def test_a_contender_is_the_network_that_was_published(name: str) -> None:
    contender = CONTENDERS[name]
    if not isinstance(contender.network, Preset) and importlib.util.find_spec("timm") is None:
        pytest.skip("timm is not installed: pip install 'vmamba-deploy[compare]'")
    millions, multiply_adds = PUBLISHED[name]
    size = counted(contender, SIDE)
    assert size.parameters / 1e6 == pytest.approx(millions, rel=5e-3)
    if multiply_adds is not None:
        assert size.multiply_adds / 1e9 == pytest.approx(multiply_adds, rel=4e-2)


def test_what_a_network_has_and_does_is_counted() -> None:
    tokens, inner = (SMALL // PATCH) ** 2, 4 * CHANNELS
    pixels = 3 * PATCH**2
    size = counted(TOKENS, SMALL)
    linear = 2 * CHANNELS * inner + inner + CHANNELS
    assert size.parameters == (
        pixels * CHANNELS + CHANNELS + 2 * CHANNELS + linear + (CHANNELS + 1) * CLASSES
    )
    assert size.multiply_adds == pytest.approx(
        tokens * (pixels * CHANNELS + 2 * CHANNELS * inner) + CHANNELS * CLASSES
    )


def session_on(path: Path) -> ort.InferenceSession:
    return ort.InferenceSession(str(path), providers=["CPUExecutionProvider"])


@pytest.mark.parametrize("contender", [TOKENS, RESIDUAL], ids=lambda each: each.name)
def test_a_network_of_others_is_exported_as_it_is(contender: Contender, files: Files) -> None:
    session = session_on(files.onnx(contender, SMALL, "fp32"))
    network = contender.network.module(SMALL)
    for batch in (1, 3):
        pixels = images(batch)
        (logits,) = session.run(["logits"], {"pixel_values": pixels})
        with torch.inference_mode():
            expected = network(torch.from_numpy(pixels)).numpy()
        np.testing.assert_allclose(logits, expected, atol=1e-4)


@pytest.mark.parametrize("contender", [TOKENS, MICRO], ids=lambda each: each.name)
def test_every_layer_becomes_a_product_of_integers(contender: Contender, files: Files) -> None:
    whole = files.onnx(contender, SMALL, "fp32")
    narrow = files.onnx(contender, SMALL, "int8")
    layers = list(quantizable_layers(OnnxModel.read(whole).ir))
    assert len(layers) >= 2
    ops = optimized_ops(OnnxModel.read(narrow))
    for op, count in Counter(FUSED[layer.node.op_type] for layer in layers).items():
        assert ops[op] == count
    pixels = images(2)
    first, second = (OnnxRuntimeLibrary(path).open()(pixels)["logits"] for path in (whole, narrow))
    error = np.square(first - second).sum() / np.square(first).sum()
    assert 0 < error < 5e-2


def test_every_convolution_becomes_one_of_integers(files: Files) -> None:
    whole = files.onnx(RESIDUAL, SMALL, "fp32")
    narrow = files.onnx(RESIDUAL, SMALL, "int8")
    ops: Counter[str] = optimized_ops(OnnxModel.read(narrow))
    assert ops["QLinearConv"] == 2
    assert ops["QLinearAdd"] == 1
    assert not ops["Conv"]
    assert not ops["BatchNormalization"]
    pixels = images(2)
    first, second = (
        session_on(path).run(None, {"pixel_values": pixels})[0] for path in (whole, narrow)
    )
    assert np.square(first - second).sum() < 5e-2 * np.square(first).sum()


@pytest.mark.parametrize("contender", [TOKENS, RESIDUAL, MICRO], ids=lambda each: each.name)
@pytest.mark.parametrize("precision", [FP32, INT8])
def test_every_way_computes_the_same(contender: Contender, precision: str, files: Files) -> None:
    path, pixels = files.onnx(contender, SMALL, precision), images(2)
    found = {}
    for way in DEFAULT_WAYS:
        runtime = runtime_on(path, way, 1)
        status = runtime.status()
        if not status.available:
            pytest.skip(status.reason)
        found[way] = runtime.open()(pixels)["logits"]
    first, second = found.values()
    limit = 1e-9 if precision == FP32 else 1e-2  # two roundings of one file differ
    assert np.square(first - second).sum() <= limit * np.square(first).sum()


def test_no_scale_or_statistic_stays_what_can_be_folded_away() -> None:
    norm = torch.nn.BatchNorm2d(4)
    kept = torch.nn.Linear(3, 2)
    before = kept.weight.clone()
    without_constants(torch.nn.Sequential(norm, kept))
    for values in (norm.weight, norm.bias, norm.running_mean, norm.running_var):
        assert len(set(values.tolist())) == 4
        assert min(values.tolist()) > 0
    assert torch.equal(kept.weight, before)


def test_files_are_made_once_for_the_same_sources(
    files: Files, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, size = files.onnx(TOKENS, SMALL, "fp32"), files.size(TOKENS, SMALL)
    stamp = path.stat().st_mtime_ns
    assert files.onnx(TOKENS, SMALL, "fp32") == path
    assert path.stat().st_mtime_ns == stamp
    assert files.size(TOKENS, SMALL) == size == counted(TOKENS, SMALL)
    monkeypatch.setattr(files_module, "_key", lambda: "other sources")
    assert files.onnx(TOKENS, SMALL, "fp32") != path
