"""From a network in a public dialect to an artefact folder, as a user gets it."""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import Any

import pytest
from torch import Tensor

import vmamba_deploy
from tests.adapting.conftest import fresh
from tests.adapting.dialect import NAMES
from tests.adapting.test_export import NODES
from vmamba_deploy.adapting.fused import ss2d
from vmamba_deploy.errors import ParityError
from vmamba_deploy.exporting.onnx_model import OnnxModel

OUTPUTS: dict[str, dict[str, Any]] = {"mamba_ir": {"output": "image"}}


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_a_dialect_becomes_an_engine_with_a_layer_for_each_scan(name: str, tmp_path: Path) -> None:
    dialect = fresh(name)
    outcome = vmamba_deploy.export(
        dialect.network, dialect.example, tmp_path / name, outputs=OUTPUTS.get(name, ())
    )
    assert outcome.manifest.engine is not None
    assert outcome.manifest.engine.plugin_layers == sum(NODES[name].values())
    assert outcome.manifest.status == "complete"
    passed = {run.runtime for run in outcome.parity if run.status == "passed"}
    assert {"pytorch", "onnxruntime-body", "onnxruntime-library"} <= passed
    assert OnnxModel.read(outcome.folder / "model.onnx").has_function_body


@pytest.mark.slow
def test_what_only_the_operator_does_wrong_is_caught_by_parity(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The verification of modules runs in plain PyTorch; the comparison of files sees the rest."""
    right = ss2d.selective_scan_fp32

    def without_skip(backend: Any, x: Tensor, proj: Tensor, parameters: Any) -> Tensor:
        dt_weight, dt_bias, a, d = parameters
        wrong = 0 * d if backend == "native" else d
        return right(backend, x, proj, (dt_weight, dt_bias, a, wrong))

    assert {"backend", "parameters"} <= set(inspect.signature(right).parameters)
    monkeypatch.setattr(ss2d, "selective_scan_fp32", without_skip)
    dialect = fresh("vmamba_v2")
    with pytest.raises(ParityError):
        vmamba_deploy.export(dialect.network, dialect.example, tmp_path / "wrong", engine=False)
    assert not (tmp_path / "wrong").exists()
