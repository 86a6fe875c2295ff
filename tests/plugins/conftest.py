"""What the native tests build once per run: the kernels emulated on the host, and their drivers."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from vmamba_deploy import native

if TYPE_CHECKING:
    from c_interface import EmulatedScan
    from launch_cases import LaunchCase, Way

# The helpers beside the tests are modules of their own.
sys.path.insert(0, str(Path(__file__).parent))


@pytest.fixture(scope="session")
def emulated_library() -> Path:
    """The C interface over the CUDA kernels, run by loops on the host."""
    from emulation import PLAIN_FLAGS, compile_emulated

    return compile_emulated(PLAIN_FLAGS, link=("-shared",))


@pytest.fixture(scope="session")
def emulated(emulated_library: Path) -> EmulatedScan:
    """The emulated library, loaded."""
    from c_interface import EmulatedScan

    return EmulatedScan(emulated_library)


@pytest.fixture(scope="session")
def launch_cases(emulated: EmulatedScan) -> dict[Way, LaunchCase]:
    """The smallest call found of each way of launching."""
    from launch_cases import smallest_cases

    return smallest_cases(emulated.way)


@pytest.fixture(scope="session")
def plugin_library() -> Path:
    available, reason = native.available("vmamba_trt")
    if not available:
        pytest.skip(reason)
    return native.library_path("vmamba_trt")
