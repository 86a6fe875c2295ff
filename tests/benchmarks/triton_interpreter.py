"""Kernels on a CPU by Triton's interpreter, which is chosen for a process as it imports Triton."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest


def interpreted(module: str) -> dict[str, float]:
    """The errors by case that a test module prints as JSON when it is run as a program."""
    if find_spec("triton") is None:
        pytest.skip("triton is not installed")
    finished = subprocess.run(
        [sys.executable, "-m", f"tests.benchmarks.{module}"],
        cwd=Path(__file__).parents[2],
        env=os.environ | {"TRITON_INTERPRET": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert finished.returncode == 0, finished.stderr
    errors: dict[str, float] = json.loads(finished.stdout)
    return errors
