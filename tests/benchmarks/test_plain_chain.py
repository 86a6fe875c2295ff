"""The scan in plain PyTorch computes what the op is specified to compute."""

from __future__ import annotations

import pytest
import torch

from benchmarks.op_shapes import OP_SHAPES, PUBLISHED, bytes_moved
from benchmarks.plain_chain import chunked_scan, scan_routes
from vmamba_deploy.ops.selective_scan.float64_reference import selective_scan_float64
from vmamba_deploy.ops.selective_scan_2d.float64_reference import selective_scan_2d_float64
from vmamba_deploy.ops.selective_scan_2d.specification import ScanDims
from vmamba_deploy.testing import every_form, random_tensors


@pytest.mark.parametrize(
    "dims",
    [
        ScanDims(2, 7, 5, 8, 1, 3),
        ScanDims(1, 1, 1, 4, 2, 1),
        ScanDims(1, 3, 11, 5, 4, 2),
        ScanDims(1, 1, 37, 3, 1, 1),
    ],
)
def test_in_float64_it_is_the_reference(dims: ScanDims) -> None:
    inputs = random_tensors(dims, torch.float32, "cpu", seed=3)
    x, proj, *parameters = inputs.as_float64()
    y = scan_routes(x, proj.unflatten(-1, (4, -1)), *parameters)
    expected = torch.from_numpy(selective_scan_2d_float64(*inputs.scan))
    assert torch.allclose(y, expected, rtol=1e-11, atol=1e-11)


@pytest.mark.parametrize("dims", every_form(ScanDims(2, 4, 7, 5, 3, 2)), ids=str)
def test_in_every_form_it_is_the_reference(dims: ScanDims) -> None:
    inputs = random_tensors(dims, torch.float32, "cpu", seed=4)
    x, proj, *parameters = inputs.as_float64()
    by_route = proj if dims.x_per_route else proj.unflatten(-1, (len(dims.routes), -1))
    y = scan_routes(x, by_route, *parameters, routes=dims.routes)
    expected = torch.from_numpy(selective_scan_float64(*inputs.scan, dims.routes))
    assert torch.allclose(y, expected, rtol=1e-11, atol=1e-11)


@pytest.mark.parametrize("length", [1, 2, 3, 10, 16, 17])
def test_chunks_carry_their_state(length: int) -> None:
    decay, driven = torch.rand(2, length, 3).double(), torch.randn(2, length, 3).double()
    h, expected = torch.zeros(2, 3).double(), []
    for step in range(length):
        h = decay[:, step] * h + driven[:, step]
        expected.append(h)
    assert torch.allclose(chunked_scan(decay, driven), torch.stack(expected, dim=1))


def test_floors_of_the_shapes_are_those_of_the_published_table() -> None:
    """Microseconds at the 3.0 TB/s that were measured with the published times."""
    floors = [60, 29, 15, 7, 111, 143, 29, 14]
    assert list(PUBLISHED) == list(OP_SHAPES)
    for shape, floor in zip(OP_SHAPES, floors, strict=True):
        assert bytes_moved(shape.dims(128)) / 3.0e6 == pytest.approx(floor, abs=0.6)
