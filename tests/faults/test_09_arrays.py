"""Arrays with odd strides, alignment and byte order, and arrays that are one another."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from benchmarks.c_interface import OK, NativeLibrary, ScanArgs, ScanDesc, load_native
from vmamba_deploy.errors import InputFileError, UsageError
from vmamba_deploy.inference import Classifier, load_classifier
from vmamba_deploy.ops.op import FLOAT32
from vmamba_deploy.ops.selective_scan_2d.specification import ScanDims
from vmamba_deploy.ops.selective_scan_2d.torch_op import selective_scan_2d
from vmamba_deploy.testing import check_accuracy, random_case

Array = np.ndarray[Any, Any]


@pytest.fixture(scope="module")
def model(artifact: Path) -> Iterator[Classifier]:
    with load_classifier(artifact, runtime="ort", streams=1) as opened:
        yield opened


def off_by(array: Array, offset_bytes: int) -> Array:
    """The same values at an address that their type does not divide."""
    memory = np.empty(array.nbytes + offset_bytes, np.uint8)
    shifted = memory[offset_bytes:].view(array.dtype).reshape(array.shape)
    shifted[...] = array
    assert shifted.ctypes.data % array.itemsize == (memory.ctypes.data + offset_bytes) % (
        array.itemsize
    )
    return shifted


def spread(array: Array) -> Array:
    wide = np.full((*array.shape[:-1], 2 * array.shape[-1]), np.nan, array.dtype)
    wide[..., ::2] = array
    return wide[..., ::2]


def read_only(array: Array) -> Array:
    array = array.copy()
    array.flags.writeable = False
    return array


LAYOUTS: dict[str, Callable[[Array], Array]] = {
    "Fortran order": np.asfortranarray,
    "backwards": lambda array: array[:, :, ::-1].copy()[:, :, ::-1],
    "every second": spread,
    "channels last": lambda array: np.moveaxis(np.moveaxis(array, 1, -1).copy(), -1, 1),
    "odd address": lambda array: off_by(array, 1),
    "half an element": lambda array: off_by(array, 2),
    "read only": read_only,
    "masked": lambda array: np.ma.masked_array(array, mask=False),
}


@pytest.mark.parametrize("layout", list(LAYOUTS))
def test_a_session_takes_an_array_as_it_reads(model: Classifier, layout: str) -> None:
    pixels = np.random.default_rng().standard_normal((3, 3, 32, 32), dtype=np.float32)
    np.testing.assert_array_equal(model(LAYOUTS[layout](pixels)), model(pixels))


def test_one_image_repeated_without_memory(model: Classifier) -> None:
    one = np.random.default_rng().standard_normal((1, 3, 32, 32), dtype=np.float32)
    logits = model(np.broadcast_to(one, (9, 3, 32, 32)))
    np.testing.assert_allclose(logits, np.repeat(model(one), 9, axis=0), atol=1e-4)


@pytest.mark.parametrize("dtype", [">f4", "f8", "f2", "i4", "u1", "?", "c8", "O", "U4", "M8[s]"])
def test_other_types_and_bytes_are_refused(model: Classifier, dtype: str) -> None:
    with pytest.raises(UsageError, match="the model takes pixel_values"):
        model(np.zeros((1, 3, 32, 32), dtype))


def test_a_result_is_not_the_input_nor_the_next_result(model: Classifier) -> None:
    pixels = np.random.default_rng().standard_normal((2, 3, 32, 32), dtype=np.float32)
    given, first = pixels.copy(), model(pixels)
    kept = first.copy()
    model(pixels[::-1])
    np.testing.assert_array_equal(first, kept)
    np.testing.assert_array_equal(pixels, given)


@pytest.mark.parametrize("layout", ["Fortran order", "backwards", "odd address", "read only"])
def test_an_image_is_taken_as_it_reads(model: Classifier, layout: str) -> None:
    rgb = np.random.default_rng().integers(0, 256, (20, 24, 3), np.uint8)
    same = LAYOUTS[layout](rgb)
    assert model.classify([same]) == model.classify([rgb])


@pytest.mark.parametrize(
    "shape", [(0, 5, 3), (5, 0), (4, 4, 2), (4, 4, 5), (4,), (), (1, 4, 4, 3)], ids=str
)
def test_an_array_that_is_no_image(model: Classifier, shape: tuple[int, ...]) -> None:
    with pytest.raises(InputFileError, match="is no image"):
        model.classify([np.zeros(shape, np.uint8)])


DIMS = ScanDims(2, 3, 5, 7, 2, 3)


@pytest.fixture(scope="module")
def library() -> NativeLibrary:
    return load_native("vmamba_cpu")


def desc() -> ScanDesc:
    sizes = (DIMS.batch, DIMS.height, DIMS.width, DIMS.channels, DIMS.state, DIMS.rank)
    return ScanDesc(*sizes, FLOAT32, FLOAT32)


@pytest.mark.parametrize("offset_bytes", [4, 8, 20, 60])
def test_the_kernel_asks_for_no_more_than_an_elements_alignment(
    library: NativeLibrary, offset_bytes: int
) -> None:
    case = random_case(DIMS, seed=offset_bytes)
    inputs = [off_by(value, offset_bytes) for value in case.inputs]
    y = off_by(np.full(case.inputs[0].shape, np.nan, np.float32), offset_bytes)
    args = ScanArgs(*(array.ctypes.data for array in (*inputs, y)))
    library.check(library.function("vmamba_scan_cpu")(desc(), args, None))
    check_accuracy(y, case.expected, FLOAT32)


def test_the_kernel_writes_its_result_and_nothing_else(library: NativeLibrary) -> None:
    case = random_case(DIMS)
    given = [value.copy() for value in case.inputs]
    guarded = np.full(case.inputs[0].size + 64, 12345.0, np.float32)
    args = ScanArgs(*(value.ctypes.data for value in given), guarded[32:].ctypes.data)
    assert library.function("vmamba_scan_cpu")(desc(), args, None) == OK
    assert (guarded[:32] == 12345).all()
    assert (guarded[-32:] == 12345).all()
    for before, after in zip(case.inputs, given, strict=True):
        np.testing.assert_array_equal(before, after)
    check_accuracy(guarded[32:-32].reshape(case.inputs[0].shape), case.expected, FLOAT32)


def test_inputs_may_share_memory(library: NativeLibrary) -> None:
    """One array of equal numbers stands for several inputs."""
    case = random_case(DIMS)
    x, proj, *_ = case.inputs
    shared = np.full(4 * DIMS.rank * DIMS.channels, -0.25, np.float32)
    y = np.empty_like(x)
    pointers = [x.ctypes.data, proj.ctypes.data, *[shared.ctypes.data] * 4, y.ctypes.data]
    library.check(library.function("vmamba_scan_cpu")(desc(), ScanArgs(*pointers), None))
    like = [np.full_like(value, -0.25) for value in case.inputs[2:]]
    from vmamba_deploy.ops.selective_scan_2d.float64_reference import selective_scan_2d_float64

    check_accuracy(y, selective_scan_2d_float64(x, proj, *like), FLOAT32)


def tensors() -> tuple[list[torch.Tensor], Array]:
    case = random_case(DIMS)
    return [torch.from_numpy(value) for value in case.inputs], case.expected


TENSOR_LAYOUTS: dict[str, Callable[[torch.Tensor], torch.Tensor]] = {
    "transposed": lambda tensor: tensor.transpose(0, -1).contiguous().transpose(0, -1),
    "every second": lambda tensor: torch.stack([tensor, tensor * torch.nan], -1)[..., 0],
    "offset": lambda tensor: torch.cat([tensor.flatten()[:1], tensor.flatten()])[1:].view(
        tensor.shape
    ),
    "with a gradient": lambda tensor: tensor.clone().requires_grad_(),
}


@pytest.mark.parametrize("layout", list(TENSOR_LAYOUTS))
def test_the_operator_takes_a_tensor_as_it_reads(layout: str) -> None:
    inputs, expected = tensors()
    y = selective_scan_2d(*map(TENSOR_LAYOUTS[layout], inputs), FLOAT32)
    check_accuracy(y.detach().numpy(), expected, FLOAT32)


def test_the_operator_refuses_what_is_no_input() -> None:
    inputs, _ = tensors()
    for bad in (inputs[1].double(), inputs[1][..., :-1], inputs[1].to_sparse(), inputs[1][0]):
        with pytest.raises((ValueError, RuntimeError), match="proj"):
            selective_scan_2d(inputs[0], bad, *inputs[2:], FLOAT32)
