from __future__ import annotations

from pathlib import Path

import pytest

from vmamba_deploy import native


@pytest.fixture(scope="session")
def ort_library() -> Path:
    return native.library_path("vmamba_ort")
