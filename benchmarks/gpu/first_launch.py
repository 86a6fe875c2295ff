"""One small call of the op on the GPU, compared with plain tensor operations.

    python -m benchmarks.gpu.first_launch

Exit code 0 says that the library loads, has code for this GPU, and computes.
"""

from __future__ import annotations

import sys

import torch

from benchmarks.plain_chain import scan_routes
from vmamba_deploy.ops.op import FLOAT32
from vmamba_deploy.ops.selective_scan_2d.specification import ScanDims
from vmamba_deploy.ops.selective_scan_2d.torch_op import selective_scan_2d
from vmamba_deploy.testing import random_tensors

_CALLS = (ScanDims(1, 9, 7, 24, 1, 3), ScanDims(1, 9, 7, 24, 4, 3))
_RELATIVE_LIMIT = 1e-4


def main() -> int:
    """Make the calls; 1 and a message where a result is wrong."""
    for dims in _CALLS:
        inputs = random_tensors(dims, torch.float32, "cuda")
        y = selective_scan_2d(*inputs.scan, FLOAT32).double()
        x, proj, *parameters = inputs.as_float64()
        expected = scan_routes(x, proj.unflatten(-1, (4, -1)), *parameters)
        relative = float((y - expected).norm() / expected.norm())
        if not relative <= _RELATIVE_LIMIT:
            sys.stderr.write(f"{dims}: relative error {relative:.1e} against float64\n")
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
