"""vmamba_roi_align_cuda and its operator on a GPU: accuracy against float64, bits, CUDA graphs.

Through the C interface, over a result of nothing but NaN with guards beside it.
"""

from __future__ import annotations

import ctypes
import random
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pytest
import torch
from gpu_cases import DTYPES
from gpu_scan import Guarded
from torch import Tensor

from benchmarks.c_interface import RoiAlignArgs, RoiAlignDesc, load_native
from vmamba_deploy.ops.multi_level_roi_align.float64_reference import (
    multi_level_roi_align_float64,
)
from vmamba_deploy.ops.multi_level_roi_align.torch_op import multi_level_roi_align
from vmamba_deploy.ops.torch_registration import ONNX_CODES
from vmamba_deploy.testing import (
    SPECIAL_BOXES,
    RoiAlignDims,
    check_accuracy,
    random_roi_align_case,
)

pytestmark = pytest.mark.gpu
DEVICE = "cuda"
# An 800 x 1088 picture's proposals and detections: features for boxes, and for masks.
NETWORK = (RoiAlignDims(1, 1000, 256, 800, 1088, 7), RoiAlignDims(1, 100, 256, 800, 1088, 14))
COMPARED_BOXES = 24  # of those: the reference takes one box after the other


@dataclass(frozen=True)
class Call:
    """A call on the GPU: four maps [B,C,Hi,Wi] and boxes [B,K,4]."""

    maps: Sequence[Tensor]
    boxes: Tensor
    output_size: int

    def expected(self, boxes: slice = slice(None)) -> Tensor:
        """y in float64, of the boxes of these numbers."""
        maps = [each.double().cpu().numpy() for each in self.maps]
        chosen = self.boxes[:, boxes].cpu().numpy()
        return torch.from_numpy(multi_level_roi_align_float64(*maps, chosen, self.output_size))


@pytest.fixture(autouse=True, scope="module")
def pytorch_on_the_gpu() -> None:
    if not torch.cuda.is_available():
        pytest.skip(f"PyTorch {torch.__version__} does not see a GPU")


def random_call(
    dims: RoiAlignDims, dtype: torch.dtype, seed: int = 0, boxes: np.ndarray | None = None
) -> Call:
    case = random_roi_align_case(dims, seed=seed, boxes=boxes)
    maps = [torch.from_numpy(each).to(DEVICE, dtype) for each in case.maps]
    return Call(maps, torch.from_numpy(case.boxes).to(DEVICE), dims.output_size)


def pooled(call: Call, out_dtype: torch.dtype) -> Tensor:
    """y of the C interface, in the current stream."""
    (batch, channels), size = call.maps[0].shape[:2], call.output_size
    shape = (batch, call.boxes.shape[1], channels, size, size)
    result = Guarded(int(np.prod(shape)) * out_dtype.itemsize, call.boxes.device)
    launch(call, result.inner, out_dtype)
    torch.cuda.synchronize()
    result.check("the result")
    return result.inner.view(out_dtype).view(shape)


def launch(call: Call, y: Tensor, out_dtype: torch.dtype) -> None:
    sides = [(ctypes.c_int64 * 4)(*(each.shape[axis] for each in call.maps)) for axis in (2, 3)]
    first, codes = call.maps[0], (ONNX_CODES[call.maps[0].dtype], ONNX_CODES[out_dtype])
    sizes = (first.shape[0], call.boxes.shape[1], first.shape[1], *sides, call.output_size)
    maps = (ctypes.c_void_p * 4)(*(each.data_ptr() for each in call.maps))
    args = RoiAlignArgs(maps, call.boxes.data_ptr(), y.data_ptr())
    library, stream = load_native("vmamba_cuda"), torch.cuda.current_stream().cuda_stream
    run = library.function("vmamba_roi_align_cuda")
    library.check(run(RoiAlignDesc(*sizes, *codes), args, stream))


@pytest.mark.parametrize("dtypes", DTYPES, ids=str)
@pytest.mark.parametrize("what", SPECIAL_BOXES)
def test_boxes_against_float64(what: str, dtypes: tuple[torch.dtype, torch.dtype]) -> None:
    boxes = np.array(SPECIAL_BOXES[what], np.float32)
    call = random_call(RoiAlignDims(2, len(boxes), 21, 256, 320, 7), dtypes[0], boxes=boxes)
    check_accuracy(pooled(call, dtypes[1]).cpu(), call.expected(), ONNX_CODES[dtypes[1]])


@pytest.mark.parametrize("seed", range(40))
def test_random_calls_against_float64(seed: int) -> None:
    draw = random.Random(seed)
    dims = RoiAlignDims(
        batch=draw.choice((1, 2, 3)),
        boxes=draw.randint(1, 20),
        channels=draw.choice((1, 3, 16, 33, 70)),
        height=draw.randint(1, 500),
        width=draw.randint(1, 500),
        output_size=draw.choice((7, 7, 14, 1, 2, 5, 28, 64)),
    )
    in_dtype, out_dtype = DTYPES[seed % len(DTYPES)]
    call = random_call(dims, in_dtype, seed)
    check_accuracy(pooled(call, out_dtype).cpu(), call.expected(), ONNX_CODES[out_dtype])


@pytest.mark.parametrize("dims", NETWORK, ids=str)
def test_the_sizes_of_a_network_against_float64(dims: RoiAlignDims) -> None:
    call, some = random_call(dims, torch.float16), slice(0, COMPARED_BOXES)
    y = pooled(call, torch.float16)
    check_accuracy(y[:, some].cpu(), call.expected(some), ONNX_CODES[torch.float16])
    assert y.isfinite().all()


def test_a_box_gets_equal_bits_in_every_run_and_at_every_place() -> None:
    call = random_call(RoiAlignDims(2, 31, 96, 400, 600, 7), torch.float16)
    y = pooled(call, torch.float32)
    turned = Call([each.flip(0).contiguous() for each in call.maps], call.boxes.flip(0, 1), 7)
    assert torch.equal(pooled(call, torch.float32), y)
    assert torch.equal(pooled(turned, torch.float32).flip(0, 1), y)
    alone = Call([each[:1].contiguous() for each in call.maps], call.boxes[:1, :1].contiguous(), 7)
    assert torch.equal(pooled(alone, torch.float32), y[:1, :1])  # in other slices of channels


def test_the_result_of_the_operator_is_that_of_the_c_interface() -> None:
    call = random_call(RoiAlignDims(2, 9, 40, 200, 300, 7), torch.bfloat16)
    y = multi_level_roi_align(*call.maps, call.boxes, 7, ONNX_CODES[torch.float32])
    assert torch.equal(y, pooled(call, torch.float32))


def test_a_captured_graph_follows_its_inputs() -> None:
    dims = RoiAlignDims(1, 50, 64, 256, 256, 7)
    first, second = (random_call(dims, torch.float16, seed) for seed in (1, 2))
    expected = pooled(second, torch.float16)
    y = torch.empty_like(expected)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        launch(first, y, torch.float16)
    for target, source in zip(
        (*first.maps, first.boxes), (*second.maps, second.boxes), strict=True
    ):
        target.copy_(source)
    y.fill_(float("nan"))
    graph.replay()
    assert torch.equal(y, expected)
