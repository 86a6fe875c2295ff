"""The reference chain: what the public VMamba code runs on a GPU for the op and its projections.

Cross-scan (Triton), x_proj and dt_proj as grouped 1x1 convolutions (PyTorch), selective scan and
cross-merge (Triton). All of it is written here after the paper and the form in which the public
code splits the work, so that both can be timed in one run on one card. Ratios to it are published,
so it is written to be fast: every map is read and written along its rows, tiles are chosen by
measuring, and B and C go into the scan without a copy.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import ModuleType

import torch
import torch.nn.functional as F
from torch import Tensor

from vmamba_deploy.errors import EnvironmentProblem
from vmamba_deploy.ops.selective_scan_2d.specification import ROUTES

# The kernels count the elements of one image's four routes in 32 bits.
_MOST_ELEMENTS = 2**31
_TIMED_LAUNCHES = 10
# Longer than so many launches take the CPU, so that the GPU runs them back to back.
_HELD_UP_CYCLES = 3_000_000

_tuned: dict[tuple[object, ...], Tile] = {}


@dataclass(frozen=True)
class ChainParameters:
    """A layer's weights as the public code keeps them, contiguous.

    Attributes:
        x_proj: [4*(R+2N), D, 1], dtype of x.
        dt_proj: [4*D, R, 1], dtype of x.
        dt_bias: [4*D] float32.
        a: [4*D, N] float32, negative.
        d: [4*D] float32.
    """

    x_proj: Tensor
    dt_proj: Tensor
    dt_bias: Tensor
    a: Tensor
    d: Tensor

    @classmethod
    def from_op(
        cls, x_proj: Tensor, dt_weight: Tensor, dt_bias: Tensor, a: Tensor, d: Tensor
    ) -> ChainParameters:
        """Lay out the op's inputs, and its projection of x.

        Args:
            x_proj: [4*(R+2N), D], dtype of x.
            dt_weight: [4, R, D].
            dt_bias: [4, D].
            a: [4, N, D], negative.
            d: [4, D].
        """
        return cls(
            x_proj=x_proj.unsqueeze(-1).contiguous(),
            dt_proj=dt_weight.transpose(1, 2).flatten(0, 1).unsqueeze(-1).to(x_proj.dtype),
            dt_bias=dt_bias.flatten().float(),
            a=a.transpose(1, 2).flatten(0, 1).float(),
            d=d.flatten().float(),
        )


@dataclass(frozen=True)
class Tile:
    """What one program of a kernel works on: its constants, and its warps."""

    blocks: Mapping[str, int]
    warps: int = 4


def triton_chain(x: Tensor, parameters: ChainParameters) -> Tensor:
    """Projections and scan.

    Args:
        x: [B, D, H, W] float32, float16 or bfloat16, in either memory format: the public networks
            of version 05 keep it contiguous, ours channels last, and neither is copied.
        parameters: its projections in the dtype of x.

    Returns:
        [B, D, H, W] float32, in the memory format of x.

    Raises:
        EnvironmentProblem: there is no Triton, or nothing for it to run on.
        ValueError: x is too large for 32-bit offsets within an image, or has gaps.
    """
    batch, channels, height, width = x.shape
    length, state, rank = height * width, parameters.a.shape[1], parameters.dt_proj.shape[1]
    xs = cross_scan(x)
    projected = F.conv1d(xs.view(batch, -1, length), parameters.x_proj, groups=ROUTES)
    dt, b, c = projected.view(batch, ROUTES, -1, length).split((rank, state, state), dim=2)
    delta = F.conv1d(dt.reshape(batch, -1, length), parameters.dt_proj, groups=ROUTES)
    ys = selective_scan(
        xs.view(batch, -1, length),
        delta,
        parameters.a,
        b,
        c,
        parameters.d,
        parameters.dt_bias,
    )
    y = torch.empty_like(x, dtype=torch.float32)  # keeps the memory format
    return cross_merge(ys.view(batch, ROUTES, channels, length), y)


def cross_scan(x: Tensor) -> Tensor:
    """Lay x [B, D, H, W] out along the four routes: [B, 4, D, L] in its dtype."""
    kernels = _kernels(x)
    batch, channels, height, width = x.shape
    _check_size(channels * height * width)
    last = _channels_last(x)
    xs = x.new_empty(batch, ROUTES, channels, height * width)

    def launch(tile: Tile) -> None:
        kernels.cross_scan_kernel[_map_grid(x, tile)](
            x, xs, channels, height, width, last, **tile.blocks, num_warps=tile.warps
        )

    _launch_fastest("cross_scan", x, (), _map_tiles(x, last), launch)
    return xs


def cross_merge(ys: Tensor, y: Tensor) -> Tensor:
    """Sum the routes of ys [B, 4, D, L] at their pixels, in float32, into y [B, D, H, W]."""
    kernels = _kernels(y)
    _, channels, height, width = y.shape
    _check_size(channels * height * width)
    last = _channels_last(y)

    def launch(tile: Tile) -> None:
        kernels.cross_merge_kernel[_map_grid(y, tile)](
            ys, y, channels, height, width, last, **tile.blocks, num_warps=tile.warps
        )

    _launch_fastest("cross_merge", y, (ys.dtype,), _map_tiles(y, last), launch)
    return y


def selective_scan(
    u: Tensor,
    delta: Tensor,
    a: Tensor,
    b: Tensor,
    c: Tensor,
    d: Tensor,
    delta_bias: Tensor,
) -> Tensor:
    """h_t = exp(s_t a) h_(t-1) + s_t b_t u_t and y_t = c_t h_t + d u_t; h is float32.

    s_t is softplus(delta_t + delta_bias).

    Args:
        u, delta: [B, 4*D, L], contiguous.
        a: [4*D, N] float32, negative.
        b, c: [B, 4, N, L] of one dtype, each a slice of the third axis of a contiguous tensor.
        d, delta_bias: [4*D] float32.

    Returns:
        [B, 4*D, L] float32, as the public code keeps it between the two kernels.
    """
    kernels = _kernels(u)
    batch, rows, length = u.shape
    channels, state = rows // ROUTES, a.shape[1]
    _check_size(channels * length)
    route_stride = b.stride(1)
    if b.stride() != c.stride() or b.stride() != (ROUTES * route_stride, route_stride, length, 1):
        raise ValueError(f"b and c are not slices of one layout: {b.stride()} and {c.stride()}")
    y = torch.empty_like(u, dtype=torch.float32)

    def launch(tile: Tile) -> None:
        grid = (-(-channels // tile.blocks["BLOCK_D"]), ROUTES, batch)
        kernels.selective_scan_kernel[grid](
            *(u, delta, a, b, c, d, delta_bias, y),
            *(channels, route_stride // length),
            STATE=state,
            LENGTH=length,
            **tile.blocks,
            num_warps=tile.warps,
        )

    _launch_fastest("selective_scan", u, (state,), _scan_tiles(length), launch)
    return y


def _kernels(x: Tensor) -> ModuleType:
    """The module of kernels, if they can run on this tensor."""
    try:
        from benchmarks import triton_kernels
    except ModuleNotFoundError as error:
        if error.name != "triton":
            raise
        raise EnvironmentProblem(
            "the reference chain needs the Python module triton, which is not installed",
            hint="pip install triton (PyTorch's builds for CUDA bring it along)",
        ) from error
    if not x.is_cuda and not _interpreted():
        raise EnvironmentProblem(
            f"the reference chain runs on an NVIDIA GPU, and its input is on: {x.device}",
            hint="Move it to cuda, or start Python with TRITON_INTERPRET=1 for small inputs.",
        )
    return triton_kernels


@functools.cache
def _interpreted() -> bool:
    """Whether Triton was told to interpret kernels when they were defined."""
    import triton

    from benchmarks import triton_kernels

    return not isinstance(triton_kernels.cross_scan_kernel, triton.JITFunction)


def _check_size(route_elements: int) -> None:
    if ROUTES * route_elements >= _MOST_ELEMENTS:
        raise ValueError(f"an image of {ROUTES} x {route_elements} elements needs 64-bit offsets")


def _channels_last(x: Tensor) -> bool:
    """Whether [B, D, H, W] lies in memory as [B, H, W, D]; refuses what is neither."""
    if x.is_contiguous():
        return False
    if x.is_contiguous(memory_format=torch.channels_last):
        return True
    raise ValueError(f"strides {x.stride()} of {tuple(x.shape)} are those of no memory format")


def _map_tiles(x: Tensor, channels_last: bool) -> list[Tile]:
    """Candidates of the copying kernels, none larger than the map asks for."""
    sizes = (
        ((32, 8, 8, 4), (16, 16, 16, 8), (32, 16, 16, 8))
        if channels_last
        else ((64, 32, 32, 4), (64, 32, 64, 4), (64, 64, 64, 4))
    )
    channels, height, width = (_power_of_two(size) for size in x.shape[1:])
    tiles = []
    for most_channels, most_rows, most_columns, warps in sizes:
        rows, columns = min(most_rows, height), min(most_columns, width)
        if not channels_last:  # what small maps leave of the tile goes to more channels
            most_channels = min(most_channels, max(1, most_rows * most_columns // (rows * columns)))
        blocks = {"BLOCK_D": min(most_channels, channels), "BLOCK_H": rows, "BLOCK_W": columns}
        tile = Tile(blocks, warps)
        if tile not in tiles:
            tiles.append(tile)
    return tiles


def _map_grid(x: Tensor, tile: Tile) -> tuple[int, int, int]:
    batch, channels, height, width = x.shape
    down, across = -(-height // tile.blocks["BLOCK_H"]), -(-width // tile.blocks["BLOCK_W"])
    return down * across, -(-channels // tile.blocks["BLOCK_D"]), batch


def _scan_tiles(length: int) -> list[Tile]:
    """Candidates of the scan: channels, steps of a chunk, warps; chunks that suit the length.

    Up to 256 steps in one row of a warp need no word between warps; longer chunks have fewer ends.
    """
    candidates = ((8, 32, 4), (4, 64, 1), (8, 128, 4), (4, 256, 4), (1, 256, 1))
    candidates += ((2, 512, 4), (1, 1024, 4), (1, 1024, 1))
    longest = min(max(_power_of_two(length), 32), 1024)
    return [
        Tile({"BLOCK_D": channels, "BLOCK_L": steps}, warps)
        for channels, steps, warps in candidates
        if longest // 4 <= steps <= longest
    ]


def _power_of_two(size: int) -> int:
    """The smallest power of two that is not below."""
    return 1 << (size - 1).bit_length()


def _launch_fastest(
    name: str,
    x: Tensor,
    also: tuple[object, ...],
    tiles: list[Tile],
    launch: Callable[[Tile], None],
) -> None:
    """Launch with the fastest tile: measured at the first call of a kernel with these sizes."""
    if _interpreted():
        launch(tiles[0])
        return
    key = (name, x.device, x.dtype, x.shape, x.stride(), *also)
    if key not in _tuned:
        if torch.cuda.is_current_stream_capturing():
            raise RuntimeError(f"{name} must be called once before a CUDA graph captures it")
        _tuned[key] = min(tiles, key=lambda tile: _milliseconds(lambda: launch(tile)))
    launch(_tuned[key])


def _milliseconds(launch: Callable[[], None]) -> float:
    """The shortest of three stretches of launches, on the GPU alone."""
    launch()  # compiles
    stretches = []
    for _ in range(3):
        begin, end = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
        torch.cuda._sleep(_HELD_UP_CYCLES)
        begin.record()
        for _ in range(_TIMED_LAUNCHES):
            launch()
        end.record()
        end.synchronize()
        stretches.append(begin.elapsed_time(end))
    return min(stretches)
