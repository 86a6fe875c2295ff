"""Nor on 1,000 pictures of clothes, which are harder: in every precision, quantized ones too."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from benchmarks.accuracy import export_sample, logits_of, measure, reference_logits, runtimes_of
from samples.train_fashion.sample import FASHION
from tests.fashion import first_learned, first_unseen
from vmamba_deploy.models import load_model
from vmamba_deploy.precisions import PRECISIONS
from vmamba_deploy.runtimes.pytorch import PyTorchSession

LEAST_ACCURACY = 0.9
LEAST_AGREEMENT = {"fp32": 0.999, "fp16": 0.995, "bf16": 0.99, "int8": 0.99, "fp8": 0.985}
LARGEST_LOSS = {"fp32": 0.001, "fp16": 0.003, "bf16": 0.005, "int8": 0.008, "fp8": 0.01}
ON_THE_CPU = {"onnxruntime-body", "onnxruntime-library"}


@pytest.fixture(scope="module")
def unseen():
    return first_unseen()


@pytest.fixture(scope="module")
def reference(unseen):
    return reference_logits(FASHION, unseen)


def agreement(logits, reference):
    return np.mean(logits.argmax(axis=1) == reference.argmax(axis=1))


def test_the_network_knows_clothes(unseen, reference):
    assert np.mean(reference.argmax(axis=1) == unseen.labels) >= LEAST_ACCURACY


@pytest.mark.slow
@pytest.mark.parametrize("precision", PRECISIONS)
def test_every_runtime_keeps_the_accuracy(precision, unseen, reference, tmp_path):
    folder = export_sample(
        FASHION, tmp_path / "artifact", precision, engine=False, calibration=first_learned()
    )
    outcomes = [
        measure(runtime, precision, unseen, reference)
        for runtime in runtimes_of(folder)
        if runtime.status().available
    ]
    assert {outcome.runtime for outcome in outcomes} >= ON_THE_CPU
    baseline = np.mean(reference.argmax(axis=1) == unseen.labels)
    for outcome in outcomes:
        assert outcome.agreement >= LEAST_AGREEMENT[precision], outcome
        assert baseline - outcome.accuracy <= LARGEST_LOSS[precision], outcome


def test_labels_that_belong_to_other_images_would_be_noticed(unseen, reference):
    moved = replace(unseen, labels=np.roll(unseen.labels, 1))
    assert np.mean(reference.argmax(axis=1) == moved.labels) < 0.2


@pytest.mark.parametrize(
    "wrong",
    [
        replace(FASHION.preprocessing, mean=(0.0,) * 3, std=(1.0,) * 3),
        replace(FASHION.preprocessing, interpolation="bilinear"),
        replace(FASHION.preprocessing, resize_pixels=36),
    ],
    ids=["other mean and std", "other interpolation", "larger and cropped"],
)
def test_images_prepared_in_another_way_would_be_noticed(wrong, unseen, reference):
    network = PyTorchSession(load_model(FASHION.weights))
    logits = logits_of(network, replace(unseen, preprocessing=wrong))
    assert agreement(logits, reference) < LEAST_AGREEMENT["fp16"]
