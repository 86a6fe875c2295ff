"""libvmamba_cuda.so on a GPU, through torch.ops.vmamba.selective_scan_2d."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scan_cases import FLOAT32_MAX_BAR, NMSE_BARS, ScanCase, errors, random_case

from vmamba_deploy.ops.contract import BFLOAT16, FLOAT16, FLOAT32, ScanDims

pytestmark = pytest.mark.gpu
DTYPE_PAIRS = [
    (FLOAT32, FLOAT32),
    (FLOAT16, FLOAT32),
    (BFLOAT16, FLOAT32),
    (FLOAT16, FLOAT16),
    (BFLOAT16, BFLOAT16),
]


@pytest.fixture
def torch() -> Any:
    import torch

    if not torch.cuda.is_available():
        pytest.skip(f"PyTorch {torch.__version__} does not see a GPU")
    import vmamba_deploy.ops.torch_op  # noqa: F401 - registers the op

    return torch


def to_gpu(torch: Any, case: ScanCase, in_dtype: int) -> list[Any]:
    element = {FLOAT32: torch.float32, FLOAT16: torch.float16, BFLOAT16: torch.bfloat16}[in_dtype]
    tensors = [torch.from_numpy(value.astype(np.float32)).cuda() for value in case.inputs]
    return [value.to(element) for value in tensors[:2]] + tensors[2:]


def check(y: Any, case: ScanCase, out_dtype: int) -> None:
    nmse, largest = errors(y.float().cpu().numpy(), case.expected)
    assert nmse <= NMSE_BARS[out_dtype]
    if out_dtype == FLOAT32:
        assert largest <= FLOAT32_MAX_BAR


@pytest.mark.parametrize("seed", range(20))
def test_random_shapes(torch: Any, seed: int) -> None:
    sizes = np.random.default_rng(seed).integers([1, 1, 1, 1, 1, 1], [5, 60, 60, 300, 18, 49])
    in_dtype, out_dtype = DTYPE_PAIRS[seed % len(DTYPE_PAIRS)]
    case = random_case(ScanDims(*(int(size) for size in sizes)), in_dtype, seed)
    inputs = to_gpu(torch, case, in_dtype)
    y = torch.ops.vmamba.selective_scan_2d(*inputs, out_dtype)
    check(y, case, out_dtype)
    again = torch.ops.vmamba.selective_scan_2d(*inputs, out_dtype)
    assert torch.equal(y, again)


@pytest.mark.parametrize(("in_dtype", "out_dtype"), DTYPE_PAIRS)
def test_equal_bits_in_every_batch_position(torch: Any, in_dtype: int, out_dtype: int) -> None:
    case = random_case(ScanDims(1, 29, 31, 96, 1, 6), in_dtype, seed=3)
    inputs = to_gpu(torch, case, in_dtype)
    alone = torch.ops.vmamba.selective_scan_2d(*inputs, out_dtype)
    batch = [value.repeat(7, 1, 1, 1) for value in inputs[:2]] + inputs[2:]
    for image in torch.ops.vmamba.selective_scan_2d(*batch, out_dtype):
        assert torch.equal(image, alone[0])


@pytest.mark.parametrize("state", [1, 16])
def test_a_captured_graph_follows_its_inputs(torch: Any, state: int) -> None:
    dims = ScanDims(2, 14, 14, 192, state, 12)
    first = random_case(dims, FLOAT16, seed=1)
    second = random_case(dims, FLOAT16, seed=2)
    inputs = to_gpu(torch, first, FLOAT16)
    torch.ops.vmamba.selective_scan_2d(*inputs, FLOAT32)
    torch.cuda.synchronize()
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        y = torch.ops.vmamba.selective_scan_2d(*inputs, FLOAT32)
    for case in (second, first):
        for target, source in zip(inputs, to_gpu(torch, case, FLOAT16), strict=True):
            target.copy_(source)
        graph.replay()
        check(y, case, FLOAT32)
