"""Calls of vmamba::MultiLevelRoiAlign in the files of the native test programs."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from scan_cases import write_call_file

from vmamba_deploy.ops.op import FLOAT32
from vmamba_deploy.testing import RoiAlignCase, check_accuracy, numpy_dtype


def write_call(path: Path, case: RoiAlignCase, out_dtype: int) -> None:
    """The call as the native test programs read it (plugins/tests/support/call_file.h)."""
    dtypes = [case.in_dtype] * 4 + [FLOAT32]
    write_call_file(path, [[case.output_size], [out_dtype]], dtypes, case.inputs)


def check_answer(path: Path, case: RoiAlignCase, out_dtype: int) -> None:
    """Compare the y that such a program wrote with float64."""
    got = np.frombuffer(path.read_bytes(), numpy_dtype(out_dtype))
    check_accuracy(got.reshape(case.expected.shape), case.expected, out_dtype)
