"""The CUDA kernel of MultiLevelRoiAlign, compiled for the host, against float64."""

from __future__ import annotations

import ctypes
import mmap
import shutil
from pathlib import Path

import numpy as np
import pytest
from emulated_roi_align import EmulatedRoiAlign
from emulation import PLAIN_FLAGS, PLUGINS, compile_emulated, compile_object
from hypothesis import given, settings
from hypothesis import strategies as st
from launch_cases import LARGE, ONE, SMALL, TIGHT, EmulatedDevice

from benchmarks.c_interface import RoiAlignArgs
from vmamba_deploy.ops.op import FLOAT16, FLOAT32
from vmamba_deploy.testing import (
    DTYPE_PAIRS,
    SPECIAL_BOXES,
    RoiAlignCase,
    RoiAlignDims,
    check_accuracy,
    random_roi_align_case,
)

WATCHED_FLAGS = (*PLAIN_FLAGS, "-fsanitize=thread")  # see test_cuda_races.py
KERNEL = PLUGINS / "kernels" / "cuda" / "multi_level_roi_align.cu"
DIMS = [
    RoiAlignDims(batch=1, boxes=1, channels=1, height=1, width=1, output_size=1),
    RoiAlignDims(batch=2, boxes=9, channels=21, height=190, width=250, output_size=7),
    RoiAlignDims(batch=1, boxes=7, channels=3, height=333, width=500, output_size=14),
    RoiAlignDims(batch=3, boxes=5, channels=33, height=64, width=32, output_size=2),
    RoiAlignDims(batch=1, boxes=4, channels=2, height=100, width=700, output_size=33),
    RoiAlignDims(batch=1, boxes=4, channels=2, height=700, width=100, output_size=64),
]


@pytest.fixture
def roi_align(emulated_library: Path) -> EmulatedRoiAlign:
    kernel = EmulatedRoiAlign(emulated_library)
    kernel.use_device()
    return kernel


def check(kernel: EmulatedRoiAlign, case: RoiAlignCase, out_dtype: int) -> None:
    check_accuracy(kernel(case, out_dtype), case.expected, out_dtype)


@pytest.mark.parametrize(("in_dtype", "out_dtype"), DTYPE_PAIRS)
@pytest.mark.parametrize("dims", DIMS, ids=str)
def test_shapes(
    roi_align: EmulatedRoiAlign, dims: RoiAlignDims, in_dtype: int, out_dtype: int
) -> None:
    check(roi_align, random_roi_align_case(dims, in_dtype, seed=dims.height), out_dtype)


@pytest.mark.parametrize("output_size", [1, 7, 14])
@pytest.mark.parametrize("what", SPECIAL_BOXES)
def test_boxes(roi_align: EmulatedRoiAlign, what: str, output_size: int) -> None:
    boxes = np.array(SPECIAL_BOXES[what], np.float32)
    dims = RoiAlignDims(2, len(boxes), 3, 256, 320, output_size)
    check(roi_align, random_roi_align_case(dims, FLOAT32, seed=2, boxes=boxes), FLOAT32)


@st.composite
def any_dims(draw: st.DrawFn) -> RoiAlignDims:
    return RoiAlignDims(
        batch=draw(st.integers(1, 2)),
        boxes=draw(st.integers(1, 6)),
        channels=draw(st.integers(1, 20)),
        height=draw(st.integers(1, 400)),
        width=draw(st.integers(1, 400)),
        output_size=draw(st.one_of(st.sampled_from((7, 14)), st.integers(1, 40))),
    )


@settings(max_examples=max(60, settings().max_examples))
@given(
    dims=any_dims(),
    dtypes=st.sampled_from(DTYPE_PAIRS),
    device=st.sampled_from([LARGE, SMALL, ONE, TIGHT]),
    seed=st.integers(0, 2**32),
)
def test_random_calls(
    emulated_library: Path,
    dims: RoiAlignDims,
    dtypes: tuple[int, int],
    device: EmulatedDevice,
    seed: int,
) -> None:
    kernel = EmulatedRoiAlign(emulated_library)
    kernel.use_device(device, seed)
    check(kernel, random_roi_align_case(dims, dtypes[0], seed), dtypes[1])


def test_neither_threads_nor_gpus_nor_places_change_a_bit(roi_align: EmulatedRoiAlign) -> None:
    case = random_roi_align_case(DIMS[1], FLOAT16, seed=3)
    results = set()
    for device in (LARGE, ONE):  # the channels in slices, and in one
        for seed in range(4):
            roi_align.use_device(device, seed)
            results.add(roi_align(case, FLOAT16).tobytes())
    assert len(results) == 1
    y = roi_align(case, FLOAT16)
    other_way = RoiAlignCase(
        FLOAT16,
        tuple(np.ascontiguousarray(each[::-1]) for each in case.maps),
        np.ascontiguousarray(case.boxes[::-1, ::-1]),
        case.output_size,
    )
    turned = roi_align(other_way, FLOAT16)
    assert turned[::-1, ::-1].tobytes() == y.tobytes()


def test_what_no_sample_touches_reaches_nothing(roi_align: EmulatedRoiAlign) -> None:
    box = np.array([[40, 60, 90, 100]], np.float32)
    case = random_roi_align_case(RoiAlignDims(1, 1, 2, 256, 320, 7), boxes=box)
    expected = roi_align(case, FLOAT32)
    spoilt = [np.full_like(each, np.nan) for each in case.maps]
    rows, columns = slice(60 // 4 - 1, 100 // 4 + 1), slice(40 // 4 - 1, 90 // 4 + 2)
    spoilt[0][..., rows, columns] = case.maps[0][..., rows, columns]
    again = roi_align(RoiAlignCase(FLOAT32, tuple(spoilt), case.boxes, 7), FLOAT32)
    assert again.tobytes() == expected.tobytes()


@pytest.mark.parametrize(("batch", "boxes"), [(0, 3), (2, 0)])
def test_empty_calls_are_valid(roi_align: EmulatedRoiAlign, batch: int, boxes: int) -> None:
    case = random_roi_align_case(RoiAlignDims(batch, boxes, 4, 64, 64, 7))
    assert roi_align(case, FLOAT32).shape == (batch, boxes, 4, 7, 7)


def test_a_map_beyond_32_bits(roi_align: EmulatedRoiAlign) -> None:
    """8.6 GB a channel, of which the kernel touches some pages alone."""
    side, part, channels = 65536, 32, 2
    small = np.random.default_rng(0).standard_normal((1, channels, part, part)).astype(np.float16)
    rest = tuple(np.zeros((1, channels, 1, 1), np.float16) for _ in range(3))
    without_reserve = 0x4000  # MAP_NORESERVE, which Python 3.11 does not name
    flags = mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | without_reserve
    try:
        memory = mmap.mmap(-1, channels * side * side * 2, flags=flags)
    except OSError as error:
        pytest.skip(f"so much address space is not to be had: {error}")
    large = np.frombuffer(memory, np.float16).reshape(1, channels, side, side)
    large[..., -part:, -part:] = small
    # Sizes that float32 holds exactly at either place: the same samples.
    boxes = np.array([[[8, 8, 64, 64], [40, 24, 104, 120]]], np.float32)
    shift = np.float32(4 * (side - part))
    expected = roi_align(RoiAlignCase(FLOAT16, (small, *rest), boxes, 4), FLOAT32)
    assert np.abs(expected).min() > 0
    y = roi_align(RoiAlignCase(FLOAT16, (large, *rest), boxes + shift, 4), FLOAT32)
    assert y.tobytes() == expected.tobytes()


@pytest.mark.parametrize("boxes", [1, 7, 100, 1000, 40_000, 2**31 - 1])
@pytest.mark.parametrize("channels", [1, 3, 16, 255, 256, 1000])
def test_slices_cover_the_channels_and_no_more(
    roi_align: EmulatedRoiAlign, boxes: int, channels: int
) -> None:
    case = random_roi_align_case(RoiAlignDims(1, 1, 1, 32, 32, 7))
    desc = roi_align.desc(case, FLOAT32)
    desc.boxes, desc.channels = boxes, channels
    plan = roi_align.plan(desc)
    assert (plan.slices - 1) * plan.slice_channels < channels <= plan.slices * plan.slice_channels
    assert plan.blocks == boxes * plan.slices < 2**31
    few, many = 4 * LARGE.multiprocessors, 40 * LARGE.multiprocessors
    assert plan.slices == 1 or plan.blocks < many
    assert plan.blocks >= few or plan.slice_channels == 16


@pytest.mark.parametrize("output_size", range(1, 65))
def test_a_block_takes_little_shared_memory(roi_align: EmulatedRoiAlign, output_size: int) -> None:
    case = random_roi_align_case(RoiAlignDims(1, 1, 1, 32, 32, output_size))
    granted, of_turing, reserved = 48 * 1024, 64 * 1024, 1024
    needed = roi_align.plan(roi_align.desc(case, FLOAT32)).shared_bytes
    assert needed <= granted
    if output_size <= 14:  # five blocks; the registers have room for six
        assert 5 * (needed + reserved) <= of_turing


def test_more_blocks_than_the_kernel_numbers_are_refused(roi_align: EmulatedRoiAlign) -> None:
    case = random_roi_align_case(RoiAlignDims(1, 1, 1, 32, 32, 1))
    desc = roi_align.desc(case, FLOAT32)
    desc.boxes = 2**31
    args = RoiAlignArgs((ctypes.c_void_p * 4)(*[1] * 4), 1, 1)
    status = roi_align.library.vmamba_roi_align_cuda(ctypes.byref(desc), ctypes.byref(args), None)
    assert status == 2
    assert "2147483648 boxes of 1 images in 1 channels are too many" in roi_align.last_error()


# What is changed of the kernel, and how its text reads then.
BREAKS = {
    "a level too high": ("samples.cuh", "(scale >= 8.0f);", "(scale >= 8.0f) + 1;"),
    "not aligned": ("samples.cuh", "start_ = __fsub_rn(__fdiv_rn(low, stride), 0.5f);",
                    "start_ = __fdiv_rn(low, stride);"),
    "a lost sample": ("samples.cuh", "sample < min(", "sample + 1 < min("),
    "a sample off the map counts": ("samples.cuh", "at < -1.0f ||", "at < -2.0f ||"),
    "lanes that do not wait": ("kernels.cuh", "__syncwarp();\n          if (has_output)",
                               "if (has_output)"),
    "no weights beyond those that are kept": ("kernels.cuh", "max(first, kept_end); pixel < end",
                                              "max(first, kept_end); pixel < 0"),
}  # fmt: skip


BARRIERS = {
    "before the weights are used": ("kernels.cuh", "__syncthreads();\n  }\n", "}\n"),
    "before the next box": ("kernels.cuh", "__syncthreads();  // before", "// before"),
}


def broken_kernel(folder: Path, name: str, what: str, instead: str, flags: tuple[str, ...]) -> Path:
    """The object of the kernel, with a change."""
    copy = folder / "kernels"
    shutil.copytree(PLUGINS / "kernels", copy)
    file = copy / "cuda" / "roi_align" / name
    text = file.read_text()
    assert text.count(what) == 1
    file.write_text(text.replace(what, instead))
    return compile_object(copy / "cuda" / KERNEL.name, flags, where=("-iquote", str(copy)))


def link(kernel: Path) -> EmulatedRoiAlign:
    library = compile_emulated(PLAIN_FLAGS, instead={KERNEL: kernel}, link=("-shared",))
    made = EmulatedRoiAlign(library)
    made.use_device(seed=1)
    return made


@pytest.mark.parametrize("what", BREAKS)
def test_a_fault_is_noticed(tmp_path: Path, what: str) -> None:
    kernel = link(broken_kernel(tmp_path, *BREAKS[what], PLAIN_FLAGS))
    missed = []
    for name, boxes in SPECIAL_BOXES.items():
        case = random_roi_align_case(
            RoiAlignDims(1, len(boxes), 2, 256, 320, 7), boxes=np.array(boxes, np.float32)
        )
        try:
            check(kernel, case, FLOAT32)
        except AssertionError:
            missed.append(name)
    assert missed


# More boxes than the emulated grid has blocks: a block takes several, one after the other.
SEVERAL_BOXES = RoiAlignDims(batch=2, boxes=9, channels=9, height=96, width=128, output_size=7)


def test_barriers_lie_between_the_warps() -> None:
    kernel = link(compile_object(KERNEL, WATCHED_FLAGS))
    check(kernel, random_roi_align_case(SEVERAL_BOXES, FLOAT16), FLOAT16)


@pytest.mark.parametrize("which", BARRIERS)
def test_a_barrier_that_is_missing_is_noticed(tmp_path: Path, which: str) -> None:
    kernel = link(broken_kernel(tmp_path, *BARRIERS[which], WATCHED_FLAGS))
    with pytest.raises(RuntimeError, match="and no barrier lies between"):
        kernel(random_roi_align_case(SEVERAL_BOXES, FLOAT16), FLOAT16)
