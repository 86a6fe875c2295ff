"""The built library, and the modules that these tests share with those of the plugin."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from vmamba_deploy import native

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE), str(HERE.parent / "plugins")]


@pytest.fixture(scope="session")
def ort_library() -> Path:
    return native.library_path("vmamba_ort")
