"""AOTInductor packages keep the accuracy too; a file of its own, for each takes long to compile."""

from __future__ import annotations

import pytest

from benchmarks.accuracy import measure, reference_logits
from samples.train_digits.sample import DIGITS
from tests.aoti_compiler import keeping_compiler
from tests.digits import digits_of, export_digits
from vmamba_deploy import native
from vmamba_deploy.precisions import BASES
from vmamba_deploy.runtimes.aotinductor import PACKAGE_NAME, AotInductorRuntime


@pytest.mark.slow
@pytest.mark.parametrize("precision", BASES)
def test_a_package_keeps_the_accuracy(precision, tmp_path):
    available, reason = native.available("vmamba_torch")
    if not available:
        pytest.skip(reason)
    digits = digits_of("test")
    reference = reference_logits(DIGITS, digits)
    with keeping_compiler():
        folder = export_digits(tmp_path / "digits", precision, engine=False, aoti=True)
    outcome = measure(AotInductorRuntime(folder / PACKAGE_NAME), precision, digits, reference)
    assert outcome.skipped is None
    baseline = (reference.argmax(axis=1) == digits.labels).mean()
    assert abs(outcome.accuracy - baseline) <= 0.003
    assert outcome.agreement >= 0.995
