"""The reference chain's kernels compiled ahead, many at a time, and compared with the op.

Triton compiles a kernel for every size, one after the other: in the middle of a measurement that
would be a minute. Here each shape has a process of its own, and Triton's cache keeps what it makes.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from benchmarks.op_shapes import OP_SHAPES, OpShape

Json = dict[str, Any]
_ROOT = Path(__file__).resolve().parents[2]
_SECONDS = 120
# What two ways of rounding the projections to half precision may differ by.
SAME_WORK_NMSE = 1e-4


class ChainError(RuntimeError):
    """The chain does not run at some shape, or does not compute what the op does."""


def network_shapes() -> tuple[OpShape, ...]:
    """The maps of VMamba-T and VMamba-B at 224 x 224; networks keep them channels last."""
    return tuple(
        OpShape(56 // 2**stage, width * 2**stage, 1, width // 16 * 2**stage)
        for width in (96, 128)
        for stage in range(4)
    )


def prepare_chain(device: str) -> Json:
    """One row for each shape and memory format: seconds to compile and NMSE against the op.

    Raises:
        ChainError: a process failed, with its last words.
    """
    if device != "cuda":
        return {"schema_version": 2, "rows": []}
    jobs = [(shape, False) for shape in OP_SHAPES]
    jobs += [(shape, True) for shape in network_shapes()]
    with ThreadPoolExecutor(max(2, (os.cpu_count() or 2) - 1)) as pool:
        return {"schema_version": 2, "rows": list(pool.map(_in_a_process, jobs))}


def _in_a_process(job: tuple[OpShape, bool]) -> Json:
    shape, last = job
    words = [shape.side, shape.channels, shape.state, shape.rank, int(last)]
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.gpu.chain", *map(str, words)],
        capture_output=True,
        text=True,
        cwd=_ROOT,
        timeout=_SECONDS,
        check=False,
    )
    if done.returncode != 0:
        raise ChainError(f"{shape.name}: {(done.stdout + done.stderr)[-2000:]}")
    row: Json = json.loads(done.stdout.splitlines()[-1])
    return row


def compare_chain(shape: OpShape, *, channels_last: bool) -> Json:
    """Run the chain and the op on one batch of two images, fp16."""
    import torch
    import torch.nn.functional as F

    from benchmarks.triton_chain import ChainParameters, triton_chain
    from vmamba_deploy.ops.op import FLOAT32
    from vmamba_deploy.ops.selective_scan_2d.torch_op import selective_scan_2d
    from vmamba_deploy.testing import random_tensors

    inputs = random_tensors(shape.dims(2), torch.float16, "cuda")
    x = inputs.x.permute(0, 3, 1, 2)
    start = time.monotonic()
    with torch.inference_mode():
        parameters = ChainParameters.from_op(inputs.x_proj, *inputs.parameters)
        chain = triton_chain(x if channels_last else x.contiguous(), parameters)
        proj = F.linear(inputs.x, inputs.x_proj)
        y = selective_scan_2d(inputs.x, proj, *inputs.parameters, FLOAT32)
    difference = chain.permute(0, 2, 3, 1).double() - y.double()
    nmse = float(difference.square().sum() / y.double().square().sum())
    return {
        "shape": shape.name,
        "channels_last": channels_last,
        "seconds": round(time.monotonic() - start, 1),
        "nmse": nmse,
    }


def main(words: Iterable[str]) -> int:
    """Compare one shape and print its row."""
    side, channels, state, rank, last = map(int, words)
    row = compare_chain(OpShape(side, channels, state, rank), channels_last=bool(last))
    print(json.dumps(row))
    if not row["nmse"] <= SAME_WORK_NMSE:
        sys.stderr.write(f"the chain and the op differ: NMSE {row['nmse']:.1e}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
