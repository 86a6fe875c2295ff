"""AOTInductor packages keep the accuracy too; a file of its own, for each takes long to compile.

HYPOTHESIS_PROFILE=thorough runs all precisions, and so does `python -m benchmarks digits-accuracy`.
"""

from __future__ import annotations

import os

import pytest

from benchmarks.digits_accuracy import PRECISIONS, export_digits, measure, reference_logits
from tests.digits import digits_of
from vmamba_deploy import native
from vmamba_deploy.runtimes.aotinductor import PACKAGE_NAME, AotInductorRuntime


@pytest.mark.slow
@pytest.mark.parametrize("precision", PRECISIONS)
def test_a_package_keeps_the_accuracy(precision, tmp_path):
    if precision != "bf16" and os.environ.get("HYPOTHESIS_PROFILE") != "thorough":
        pytest.skip("compiles for 40 s; bf16, which rounds most, always runs: see the profile")
    available, reason = native.available("vmamba_torch")
    if not available:
        pytest.skip(reason)
    digits = digits_of("test")
    reference = reference_logits(digits)
    folder = export_digits(tmp_path / "digits", precision, engine=False, aoti=True)
    outcome = measure(AotInductorRuntime(folder / PACKAGE_NAME), precision, digits, reference)
    assert outcome.skipped is None
    baseline = (reference.argmax(axis=1) == digits.labels).mean()
    assert abs(outcome.accuracy - baseline) <= 0.003
    assert outcome.agreement >= 0.995
