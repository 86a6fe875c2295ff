"""The C interface called on random cases."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from benchmarks.c_interface import NativeLibrary, ScanDesc
from tests.ops.scan_calls import make_case, run_native
from vmamba_deploy.ops.op import FLOAT32
from vmamba_deploy.testing import ScanCase


def run_scan(
    case: ScanCase,
    out_dtype: int = FLOAT32,
    executor: object = None,
    library: NativeLibrary | None = None,
) -> np.ndarray:
    """`vmamba_scan_cpu` on a case."""
    dims = case.dims
    sizes = (dims.batch, dims.height, dims.width, dims.channels, dims.state, dims.rank)
    desc = ScanDesc(*sizes, case.in_dtype, out_dtype)
    return run_native("vmamba_scan_cpu", desc, case, out_dtype, executor, library)


@pytest.fixture(scope="session")
def scan_case() -> Callable[..., ScanCase]:
    return make_case


@pytest.fixture(scope="session")
def native_scan() -> Callable[..., np.ndarray]:
    return run_scan
