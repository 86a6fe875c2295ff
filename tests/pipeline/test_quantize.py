"""A network of a user's, quantized: what it is calibrated on is said, and never noise."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch

import vmamba_deploy
from tests.pipeline.test_export_module import Tokens, tokens
from vmamba_deploy.errors import UsageError
from vmamba_deploy.pipeline import quantize as quantize_module
from vmamba_deploy.quantization.results import Check, QuantizationProof


def test_without_images_and_without_arrays_it_is_refused(tmp_path) -> None:
    with pytest.raises(UsageError, match="cannot be calibrated"):
        vmamba_deploy.export(
            Tokens(), tokens(1, 6), tmp_path / "out", engine=False, precision="int8"
        )
    assert not (tmp_path / "out").exists()


@pytest.mark.slow
def test_it_is_calibrated_on_what_was_given(tmp_path) -> None:
    torch.manual_seed(0)
    outcome = vmamba_deploy.export(
        Tokens().eval(),
        tokens(1, 6),
        tmp_path / "out",
        engine=False,
        precision="int8",
        calibration=[tokens(1, 6), tokens(1, 6)],
    )
    facts = outcome.manifest.quantization
    assert outcome.manifest.status == "complete"
    assert (facts.samples, list(facts.images)) == (2, ["sample 0", "sample 1"])
    assert facts.quantized
    assert {check.name: check.status for check in outcome.proof.checks}["structure"] == "passed"


def test_of_another_exporters_file_only_the_structure_is_judged_anew(monkeypatch) -> None:
    """What a runtime made of it fails the proof as before."""
    told = (Check("structure", "failed", "another node"), Check("engine", "failed", "0 of 4"))
    shown = Check("structure", "skipped", "another node")
    for name, result in (
        ("exported_base", None),
        ("prove_quantized", QuantizationProof(None, (), told)),
        ("check_foreign_structure", shown),
    ):
        monkeypatch.setattr(quantize_module, name, lambda *_a, result=result, **_k: result)
    file = SimpleNamespace(quantization=object(), structured=lambda _key: {"torch": "0"})
    proof = quantize_module.prove_anew(
        file, None, engine=None, batches=(1,), progress=lambda *_args: None
    )
    assert proof.checks == (shown, told[1])
    assert proof.failures == ["engine: 0 of 4"]
