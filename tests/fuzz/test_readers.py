"""The readers of what a user hands over take any bytes."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tests.fuzz.running import fuzz


@pytest.mark.slow
@pytest.mark.parametrize("harness", ["checkpoint", "manifest", "onnx_file"])
def test_a_reader(harness: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("atheris", reason="atheris has no package for this machine")
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    fuzz(harness, [sys.executable, "-m", f"tests.fuzz.{harness}"])
