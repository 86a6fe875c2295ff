"""No runtime and no precision may lose accuracy on real labelled images."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from benchmarks.accuracy import logits_of, measure, reference_logits, runtimes_of
from samples.train_digits.digits_data import PREPROCESSING
from samples.train_digits.sample import DIGITS
from tests.digits import HAS_RTX, digits_of
from vmamba_deploy.artifacts.manifest import read_manifest
from vmamba_deploy.exporting.onnx_model import OnnxModel
from vmamba_deploy.models import load_model
from vmamba_deploy.models.vmamba.network import selective_scans, set_scan_backend
from vmamba_deploy.precisions import PRECISIONS
from vmamba_deploy.preprocessing import read_image, resize_and_crop
from vmamba_deploy.runtimes.onnxruntime import OnnxRuntimeLibrary
from vmamba_deploy.runtimes.pytorch import PyTorchSession
from vmamba_deploy.runtimes.tensorrt.run import TensorRTRuntime

LEAST_ACCURACY = 0.97
LARGEST_LOSS = 0.003
LEAST_AGREEMENT = 0.995
ON_THE_CPU = {"onnxruntime-body", "onnxruntime-library"}


@pytest.fixture(scope="module")
def digits():
    return digits_of("test")


@pytest.fixture(scope="module")
def reference(digits):
    return reference_logits(DIGITS, digits)


def accuracy_of(logits, digits):
    return np.mean(logits.argmax(axis=1) == digits.labels)


def assert_nothing_lost(outcome, baseline):
    assert outcome.skipped is None
    assert abs(outcome.accuracy - baseline) <= LARGEST_LOSS, outcome
    assert outcome.agreement >= LEAST_AGREEMENT, outcome


def test_the_network_knows_the_digits(digits, reference):
    assert len(digits) == 450
    assert accuracy_of(reference, digits) >= LEAST_ACCURACY


def test_the_kernel_answers_as_plain_pytorch_does(digits, reference, digits_weights):
    network = load_model(digits_weights)
    set_scan_backend(network, "reference")
    logits = logits_of(PyTorchSession(network), digits)
    assert np.array_equal(logits.argmax(axis=1), reference.argmax(axis=1))


def forget(scan):
    scan.A_logs.fill_(10.0)  # decay exp(-22026 * step): every step forgets the last


def leave_out_the_skip(scan):
    scan.Ds.zero_()


def permute_routes(scan, order):
    for weight in (scan.x_proj_weight, scan.dt_projs_weight, scan.dt_projs_bias):
        weight.copy_(weight[order].clone())
    for weight in (scan.A_logs, scan.Ds):
        by_route = weight.view(len(order), scan.dt_projs_bias.shape[1], -1)
        weight.copy_(by_route[order].reshape(weight.shape))


def transpose_routes(scan):
    permute_routes(scan, [1, 0, 3, 2])


def reverse_routes(scan):
    permute_routes(scan, [2, 3, 0, 1])


@pytest.mark.parametrize("harm", [forget, leave_out_the_skip, transpose_routes, reverse_routes])
def test_a_broken_scan_would_be_noticed(harm, digits, reference, digits_weights):
    """Else these tests would say little about the op that this project is about."""
    network = load_model(digits_weights)
    with torch.no_grad():
        for scan in selective_scans(network):
            harm(scan)
    logits = logits_of(PyTorchSession(network), digits)
    agreement = np.mean(logits.argmax(axis=1) == reference.argmax(axis=1))
    assert agreement < LEAST_AGREEMENT


@pytest.mark.slow
@pytest.mark.parametrize("precision", PRECISIONS)
def test_every_runtime_of_this_machine_keeps_the_accuracy(
    precision, digits, reference, digits_artifact
):
    baseline = accuracy_of(reference, digits)
    outcomes = [
        measure(runtime, precision, digits, reference)
        for runtime in runtimes_of(digits_artifact(precision))
    ]
    ran = [outcome for outcome in outcomes if outcome.skipped is None]
    assert {outcome.runtime for outcome in ran} >= ON_THE_CPU, outcomes
    in_pytorch = any(outcome.runtime == "pytorch" for outcome in ran)
    assert in_pytorch != PRECISIONS[precision].quantized, outcomes
    for outcome in ran:
        assert_nothing_lost(outcome, baseline)


@pytest.mark.slow
def test_a_file_for_the_cpu_keeps_the_accuracy(digits, reference, digits_artifact):
    """Over a base in float32; those above that an engine is built of are over float16."""
    folder = digits_artifact("int8", engine=False)
    manifest = read_manifest(folder)
    assert (manifest.precision, manifest.quantization.base) == ("int8", "fp32")
    for runtime in runtimes_of(folder):
        if runtime.status().available:
            outcome = measure(runtime, "int8", digits, reference)
            assert_nothing_lost(outcome, accuracy_of(reference, digits))


def test_a_graph_that_normalises_by_itself_answers_alike(digits, reference, digits_artifact):
    folder = digits_artifact("fp32", preprocess=True, engine=False)
    session = OnnxRuntimeLibrary(folder / "model.onnx").open()
    crops = np.stack([resize_and_crop(read_image(image), PREPROCESSING) for image in digits.images])
    assert np.abs(session(crops)["logits"] - reference).max() < 1e-4


@pytest.mark.skipif(not HAS_RTX, reason="tensorrt_rtx is not installed")
@pytest.mark.parametrize("precision", PRECISIONS)
def test_an_engine_is_built_in_every_precision(precision, digits_artifact):
    folder = digits_artifact(precision)
    engine = read_manifest(folder).engine
    assert engine.built
    assert engine.plugin_layers == len(OnnxModel.read(folder / "model.onnx").our_nodes) == 4
    assert engine.profile.max == (64, 3, 32, 32)


@pytest.mark.gpu
@pytest.mark.parametrize("precision", PRECISIONS)
def test_the_engine_keeps_the_accuracy(precision, digits, reference, digits_artifact):
    folder = digits_artifact(precision)
    runtime = TensorRTRuntime.from_folder(folder)
    if not (status := runtime.status()).available:
        pytest.skip(status.reason)
    outcome = measure(runtime, precision, digits, reference)
    assert_nothing_lost(outcome, accuracy_of(reference, digits))


def test_the_artefact_tells_what_its_images_and_classes_are(digits_artifact):
    manifest = read_manifest(digits_artifact("fp32"))
    assert manifest.labels == tuple("0123456789")
    assert manifest.preprocessing.by_this_release() == PREPROCESSING
