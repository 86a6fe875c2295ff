"""Calls of the ops in the files of the native test programs (plugins/tests/support/call_file.h)."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from vmamba_deploy.ops.op import FLOAT32
from vmamba_deploy.testing import ScanCase, check_accuracy, numpy_dtype


def write_call(path: Path, case: ScanCase, out_dtype: int, *, routes: bool = False) -> None:
    """The call as the programs read it; of SelectiveScan where it has an attribute `routes`."""
    attributes = [[out_dtype]] if not routes else [case.dims.routes, [out_dtype]]
    write_call_file(path, attributes, [case.in_dtype] * 2 + [FLOAT32] * 4, case.inputs)


def write_call_file(
    path: Path,
    attributes: Sequence[Sequence[int]],
    dtypes: Sequence[int],
    inputs: Sequence[np.ndarray],
) -> None:
    """A call of any op: values of attributes, out_dtype last; the inputs and their ONNX codes."""
    header = [number for values in attributes for number in (len(values), *values)]
    for dtype, value in zip(dtypes, inputs, strict=True):
        header += [dtype, value.ndim, *value.shape]
    data = b"".join(np.ascontiguousarray(value).tobytes() for value in inputs)
    path.write_bytes(np.array(header, np.int64).tobytes() + data)


def check_answer(path: Path, case: ScanCase, out_dtype: int) -> None:
    """Compare the y that such a program wrote with float64."""
    got = np.frombuffer(path.read_bytes(), numpy_dtype(out_dtype))
    check_accuracy(got.reshape(case.expected.shape), case.expected, out_dtype)
