"""libvmamba_cuda.so on a GPU: accuracy in every way it launches, bits, streams and CUDA graphs.

Accuracy is judged as `make gpu-check` judges it: through the C interface, over a result and a
workspace of nothing but NaN with guards beside them, and by a second run with the images at other
places of the batch, which must give each image the bits that it had. Bits may differ between batch
sizes and between GPUs: the way of launching depends on both.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable

import pytest
import torch
from gpu_accuracy import judged
from gpu_cases import DTYPES, AccuracyCase, fixed_cases, random_case
from gpu_launch_ways import cases_of_every_way
from gpu_scan import poisoned_scan
from torch import Tensor

from benchmarks.launch_plan import limits_at_hand
from vmamba_deploy.ops.op import FLOAT32
from vmamba_deploy.ops.selective_scan.specification import ScanDims
from vmamba_deploy.ops.selective_scan.torch_op import selective_scan
from vmamba_deploy.ops.selective_scan_2d.torch_op import selective_scan_2d
from vmamba_deploy.ops.torch_registration import ONNX_CODES
from vmamba_deploy.testing import ScanTensors, every_form, random_tensors

pytestmark = pytest.mark.gpu
DEVICE = "cuda"
RANDOM_SHAPES = int(os.environ.get("VMAMBA_RANDOM_SHAPES", "200"))
Record = Callable[[str, object], None]
SLEEP_CYCLES = 50_000_000  # tens of milliseconds: what is not ordered behind it comes too early


@pytest.fixture(autouse=True, scope="module")
def pytorch_on_the_gpu() -> None:
    if not torch.cuda.is_available():
        pytest.skip(f"PyTorch {torch.__version__} does not see a GPU")


def half_inputs(dims: ScanDims, seed: int = 0) -> ScanTensors:
    return random_tensors(dims, torch.float16, DEVICE, seed)


def scan(inputs: ScanTensors) -> Tensor:
    return selective_scan_2d(*inputs.scan, FLOAT32)


def copy_into(target: ScanTensors, source: ScanTensors) -> None:
    for old, new in zip(target.scan, source.scan, strict=True):
        old.copy_(new)


def judge(
    case: AccuracyCase, dtypes: tuple[torch.dtype, torch.dtype], record_property: Record
) -> None:
    """Compare one call, and leave its errors for the record of `make gpu-check`."""
    row = judged(case, dtypes, DEVICE)
    record_property("row", json.dumps(row))
    assert row["passed"], row


@pytest.mark.parametrize("dtypes", DTYPES, ids=str)
@pytest.mark.parametrize("case", fixed_cases(), ids=lambda case: case.kind)
def test_shape_classes_against_float64(
    case: AccuracyCase, dtypes: tuple[torch.dtype, torch.dtype], record_property: Record
) -> None:
    judge(case, dtypes, record_property)


@pytest.mark.parametrize("dtypes", DTYPES, ids=str)
def test_every_way_of_launching_against_float64(
    dtypes: tuple[torch.dtype, torch.dtype], record_property: Record
) -> None:
    for case in cases_of_every_way(limits_at_hand()):
        judge(case, dtypes, record_property)


@pytest.mark.parametrize("seed", range(RANDOM_SHAPES))
def test_random_shapes_against_float64(seed: int, record_property: Record) -> None:
    judge(random_case(seed), DTYPES[seed % len(DTYPES)], record_property)


@pytest.mark.parametrize("dtypes", DTYPES, ids=str)
@pytest.mark.parametrize("state", [1, 16])
def test_equal_images_get_equal_bits_at_every_place_and_in_every_run(
    state: int, dtypes: tuple[torch.dtype, torch.dtype]
) -> None:
    in_dtype, out_dtype = dtypes
    one = random_tensors(ScanDims(1, 29, 31, 96, state, 6), in_dtype, DEVICE)
    x, proj = (values.repeat(7, 1, 1, 1) for values in (one.x, one.proj))
    runs = [selective_scan_2d(x, proj, *one.parameters, ONNX_CODES[out_dtype]) for _ in range(3)]
    for y in runs:
        assert all(torch.equal(image, runs[0][0]) for image in y)


@pytest.mark.parametrize("dims", [ScanDims(2, 1, 1, 16, 1, 1), ScanDims(2, 56, 56, 96, 1, 6)])
def test_the_result_of_the_operator_is_that_of_the_c_interface(dims: ScanDims) -> None:
    inputs = half_inputs(dims)
    assert torch.equal(scan(inputs), poisoned_scan(inputs, torch.float32))


@pytest.mark.parametrize("dims", every_form(ScanDims(2, 9, 12, 40, 16, 4)), ids=str)
def test_every_form_by_the_operator_and_in_a_graph(dims: ScanDims) -> None:
    first, second = half_inputs(dims, seed=1), half_inputs(dims, seed=2)
    expected = poisoned_scan(first, torch.float32), poisoned_scan(second, torch.float32)
    assert torch.equal(selective_scan(*first.scan, dims.routes, FLOAT32), expected[0])
    target = half_inputs(dims, seed=1)
    graph, y = captured(lambda: selective_scan(*target.scan, dims.routes, FLOAT32))
    for source, right in ((second, expected[1]), (first, expected[0])):
        copy_into(target, source)
        y.fill_(float("nan"))
        graph.replay()
        assert torch.equal(y, right)


def test_what_is_not_contiguous_is_taken_as_it_reads() -> None:
    inputs = half_inputs(ScanDims(2, 9, 12, 40, 1, 3))
    turned = inputs.x.permute(0, 3, 1, 2).contiguous().permute(0, 2, 3, 1)
    assert not turned.is_contiguous()
    y = selective_scan_2d(turned, *inputs.scan[1:], FLOAT32)
    assert torch.equal(y, scan(inputs))


@pytest.mark.parametrize("state", [1, 16])
def test_a_call_waits_for_its_stream_and_for_no_other(state: int) -> None:
    dims = ScanDims(2, 28, 28, 96, state, 6)
    first, second = half_inputs(dims, seed=1), half_inputs(dims, seed=2)
    expected, target = scan(second), half_inputs(dims, seed=1)
    torch.cuda.synchronize()
    stream = torch.cuda.Stream()
    with torch.cuda.stream(stream):
        torch.cuda._sleep(SLEEP_CYCLES)
        copy_into(target, second)
        y = scan(target)
    elsewhere = scan(first)
    torch.cuda.current_stream().synchronize()
    assert not stream.query(), "the call waited for another stream, or the sleep is too short"
    stream.synchronize()
    assert torch.equal(y, expected)
    assert not torch.equal(elsewhere, expected)


def test_calls_on_many_streams_at_once_keep_their_bits() -> None:
    dims = [
        ScanDims(1, 56, 56, 96, 1, 6),
        ScanDims(2, 28, 28, 64, 4, 6),
        ScanDims(3, 9, 9, 33, 1, 2),
    ]
    inputs = [half_inputs(each, seed=i) for i, each in enumerate(dims)]
    expected = [scan(each) for each in inputs]
    torch.cuda.synchronize()
    streams = [torch.cuda.Stream() for _ in inputs]
    results: list[list[Tensor]] = []
    for _ in range(20):
        row = []
        for stream, each in zip(streams, inputs, strict=True):
            with torch.cuda.stream(stream):
                row.append(scan(each))
        results.append(row)
    torch.cuda.synchronize()
    for row in results:
        assert all(torch.equal(y, right) for y, right in zip(row, expected, strict=True))


def captured(call: Callable[[], Tensor]) -> tuple[torch.cuda.CUDAGraph, Tensor]:
    call()
    torch.cuda.synchronize()
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        y = call()
    return graph, y


# One launch, three launches, and a map in global memory where there is little shared memory.
@pytest.mark.parametrize(
    "dims",
    [
        ScanDims(2, 14, 14, 192, 1, 12),
        ScanDims(1, 56, 56, 96, 1, 6),
        ScanDims(2, 14, 14, 192, 16, 12),
        ScanDims(4, 56, 56, 32, 16, 2),
    ],
    ids=str,
)
def test_a_captured_graph_follows_its_inputs(dims: ScanDims) -> None:
    first, second = half_inputs(dims, seed=1), half_inputs(dims, seed=2)
    expected = {1: scan(first), 2: scan(second)}
    target = half_inputs(dims, seed=1)
    graph, y = captured(lambda: scan(target))
    for seed, source in ((2, second), (1, first), (2, second)):
        copy_into(target, source)
        y.fill_(float("nan"))
        graph.replay()
        assert torch.equal(y, expected[seed])


def test_a_graph_of_several_calls_shares_its_memory_pool() -> None:
    inputs = [half_inputs(ScanDims(1, side, side, 48, 1, 3), seed=side) for side in (56, 28, 14)]
    expected = sum(scan(each).sum() for each in inputs)
    graph, total = captured(
        lambda: sum((scan(each).sum() for each in inputs), torch.zeros((), device=DEVICE))
    )
    for _ in range(3):
        graph.replay()
    assert torch.equal(total, expected)


def test_an_input_on_another_device_is_named() -> None:
    inputs = half_inputs(ScanDims(1, 4, 4, 8, 1, 1))
    x, proj, *parameters = inputs.scan
    with pytest.raises(ValueError, match="proj is on cpu, expected cuda:0, where x is"):
        selective_scan_2d(x, proj.cpu(), *parameters, FLOAT32)


def test_the_second_gpu_is_used_where_the_tensors_are_there() -> None:
    if torch.cuda.device_count() < 2:
        pytest.skip("there is one GPU alone")
    inputs = half_inputs(ScanDims(2, 20, 20, 64, 1, 4))
    there = [tensor.to("cuda:1") for tensor in inputs.scan]
    y = selective_scan_2d(*there, FLOAT32)
    assert y.device == torch.device("cuda:1")
    torch.testing.assert_close(y.cpu(), scan(inputs).cpu(), rtol=1e-5, atol=1e-5)
