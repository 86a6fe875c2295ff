"""The C interface called on random cases of every form."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from benchmarks.c_interface import SelectiveScanDesc
from tests.ops.scan_calls import make_case, run_native
from vmamba_deploy.ops.op import FLOAT32
from vmamba_deploy.testing import ScanCase


def run_scan(case: ScanCase, out_dtype: int = FLOAT32, executor: object = None) -> np.ndarray:
    """`vmamba_selective_scan_cpu` on a case."""
    desc = SelectiveScanDesc.of(case.dims, case.in_dtype, out_dtype)
    return run_native("vmamba_selective_scan_cpu", desc, case, out_dtype, executor)


@pytest.fixture(scope="session")
def scan_case() -> Callable[..., ScanCase]:
    return make_case


@pytest.fixture(scope="session")
def native_scan() -> Callable[..., np.ndarray]:
    return run_scan
