"""What the native tests build once per run: the kernels emulated on the host, and their drivers."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from vmamba_deploy import native

# The helpers beside the tests are modules of their own.
sys.path.insert(0, str(Path(__file__).parent))


@pytest.fixture(scope="session")
def emulated_library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The C interface over the CUDA kernels, run by loops on the host."""
    from emulation import compile_emulated

    folder = tmp_path_factory.mktemp("emulated")
    return compile_emulated(
        folder / "libvmamba_cuda_emulated.so", "-O2", "-mfma", "-mf16c", "-shared"
    )


@pytest.fixture(scope="session")
def plugin_library() -> Path:
    available, reason = native.available("vmamba_trt")
    if not available:
        pytest.skip(reason)
    return native.library_path("vmamba_trt")
