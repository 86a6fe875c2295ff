"""The reference chain in Triton computes what the plain chain does.

On a CPU the kernels go through Triton's interpreter, in a process of its own: the interpreter is
chosen when Triton is imported, for all of a process. Run as a program, this module prints the
errors of all cases as JSON.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import astuple

import pytest
import torch
from torch import Tensor

import benchmarks.triton_chain as chain_module
from benchmarks.plain_chain import scan_routes
from benchmarks.triton_chain import (
    ChainParameters,
    Tile,
    cross_merge,
    cross_scan,
    triton_chain,
)
from tests.benchmarks.triton_interpreter import interpreted
from vmamba_deploy.errors import EnvironmentProblem
from vmamba_deploy.ops.selective_scan import torch_reference
from vmamba_deploy.ops.selective_scan.specification import ALL_ROUTES
from vmamba_deploy.ops.selective_scan_2d.specification import ROUTES, ScanDims
from vmamba_deploy.testing import ScanTensors, random_tensors

DTYPES = {"fp32": torch.float32, "fp16": torch.float16}
FORMATS = {"first": torch.contiguous_format, "last": torch.channels_last}
# Largest ||error||^2 / ||y||^2. In fp16 the projections and dt are rounded, as in the public code.
MOST_ERROR = {"fp32": 1e-10, "fp16": 1e-6}
SMALL_DIMS = [
    ScanDims(2, 7, 5, 8, 1, 3),
    ScanDims(1, 3, 11, 5, 5, 2),
    ScanDims(1, 5, 6, 9, 16, 4),
    ScanDims(2, 1, 37, 3, 1, 1),
    ScanDims(1, 1, 1, 1, 1, 1),
    ScanDims(1, 3, 70, 2, 1, 2),
]
LARGE_DIMS = [
    ScanDims(2, 56, 56, 96, 1, 6),
    ScanDims(2, 28, 28, 192, 1, 12),
    ScanDims(3, 14, 14, 384, 16, 24),
    ScanDims(2, 7, 7, 768, 16, 48),
    ScanDims(1, 56, 56, 40, 16, 6),
    ScanDims(1, 61, 83, 20, 2, 3),
    ScanDims(1, 40, 33, 2, 1, 2),
]


def _name(dims: ScanDims, dtype: str, layout: str) -> str:
    return "-".join([*map(str, astuple(dims)), dtype, layout])


def _nmse(y: Tensor, expected: Tensor) -> float:
    return float((y.double() - expected).square().sum() / expected.square().sum())


def _chain(inputs: ScanTensors, layout: str) -> Tensor:
    parameters = ChainParameters.from_op(inputs.x_proj, *inputs.parameters)
    x = inputs.x.permute(0, 3, 1, 2).contiguous(memory_format=FORMATS[layout])
    y = triton_chain(x, parameters)
    assert y.dtype == torch.float32
    assert y.stride() == x.stride()
    return y.permute(0, 2, 3, 1)


def _error(dims: ScanDims, dtype: str, layout: str, device: str) -> float:
    inputs = random_tensors(dims, DTYPES[dtype], device, seed=5)
    x, x_proj = inputs.x.double(), inputs.x_proj.double()
    proj = (x @ x_proj.t()).unflatten(-1, (ROUTES, -1))
    expected = scan_routes(x, proj, *_wide(inputs))
    return _nmse(_chain(inputs, layout), expected)


def _wide(inputs: ScanTensors) -> list[Tensor]:
    return [each.double() for each in inputs.parameters]


def _all_errors(device: str) -> dict[str, float]:
    return {
        _name(dims, dtype, layout): _error(dims, dtype, layout, device)
        for dims in SMALL_DIMS
        for dtype in DTYPES
        for layout in FORMATS
    }


@pytest.fixture(scope="module")
def interpreted_errors() -> dict[str, float]:
    """Errors of all small cases on the CPU."""
    return interpreted("test_triton_chain")


@pytest.mark.parametrize("layout", FORMATS)
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("dims", SMALL_DIMS, ids=str)
def test_interpreted_it_is_the_plain_chain(
    interpreted_errors: dict[str, float], dims: ScanDims, dtype: str, layout: str
) -> None:
    assert interpreted_errors[_name(dims, dtype, layout)] <= MOST_ERROR[dtype]


def test_without_a_gpu_or_without_triton_it_says_so() -> None:
    inputs = random_tensors(SMALL_DIMS[0], torch.float32, "cpu")
    with pytest.raises(EnvironmentProblem) as caught:
        _chain(inputs, "first")
    assert caught.value.hint


@pytest.mark.gpu
@pytest.mark.parametrize("layout", FORMATS)
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("dims", [*SMALL_DIMS, *LARGE_DIMS], ids=str)
def test_on_a_gpu_it_is_the_plain_chain(
    monkeypatch: pytest.MonkeyPatch, dims: ScanDims, dtype: str, layout: str
) -> None:
    pytest.importorskip("triton")
    monkeypatch.setattr(torch.backends.cudnn, "allow_tf32", False)
    monkeypatch.setattr(torch.backends.cuda.matmul, "allow_tf32", False)
    assert _error(dims, dtype, layout, "cuda") <= MOST_ERROR[dtype]


@pytest.mark.gpu
@pytest.mark.parametrize("layout", FORMATS)
@pytest.mark.parametrize("dims", LARGE_DIMS[2:5], ids=str)
def test_on_a_gpu_every_tile_that_may_be_chosen_is_right(
    monkeypatch: pytest.MonkeyPatch, dims: ScanDims, layout: str
) -> None:
    pytest.importorskip("triton")
    tiles_tried = set()
    for turn in range(5):

        def launch_one(
            name: str,
            _x: Tensor,
            _also: tuple[object, ...],
            tiles: list[Tile],
            launch: Callable[[Tile], None],
            turn: int = turn,
        ) -> None:
            tiles_tried.add((name, turn % len(tiles)))
            launch(tiles[turn % len(tiles)])

        monkeypatch.setattr(chain_module, "_launch_fastest", launch_one)
        assert _error(dims, "fp16", layout, "cuda") <= MOST_ERROR["fp16"]
    assert len(tiles_tried) >= 7


@pytest.mark.gpu
@pytest.mark.parametrize("layout", FORMATS)
def test_on_a_gpu_routes_are_laid_out_and_merged_exactly(layout: str) -> None:
    pytest.importorskip("triton")
    x = torch.randint(-8, 9, (2, 19, 37, 70), device="cuda").half()
    x = x.contiguous(memory_format=FORMATS[layout])
    xs = cross_scan(x)
    maps = x.permute(0, 2, 3, 1).unsqueeze(1).expand(-1, ROUTES, -1, -1, -1)
    assert torch.equal(xs, torch_reference.cross_scan(maps, ALL_ROUTES).transpose(2, 3))
    merged = cross_merge(xs, torch.empty_like(x, dtype=torch.float32))
    assert torch.equal(merged, 4 * x.float())


@pytest.mark.gpu
def test_on_a_gpu_a_captured_chain_replays() -> None:
    pytest.importorskip("triton")
    inputs = random_tensors(ScanDims(2, 28, 28, 64, 1, 4), torch.float16, "cuda")
    expected = _chain(inputs, "first")
    torch.cuda.synchronize()
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        y = _chain(inputs, "first")
    y.zero_()
    graph.replay()
    assert torch.equal(y, expected)


if __name__ == "__main__":
    print(json.dumps(_all_errors("cpu")))  # noqa: T201
