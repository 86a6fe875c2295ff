"""The three Triton kernels of the reference chain; `triton_chain` imports this lazily.

B images, D channels, an H x W map of L pixels, N states. Every pointer is moved to its image in 64
bits; inside an image 32-bit offsets do, which `triton_chain` sees to.
"""

# Triton takes annotations for types of its own, and its constants are written in capitals.
# ruff: noqa: ANN001, ANN201, ANN202, N803

from __future__ import annotations

import triton
import triton.language as tl

# In both copying kernels a tile's first axis is the one whose pixels lie side by side in memory.
# Triton sees how to share a tile out over threads from addresses that rise by one; where they fall
# by one, on the routes walked backwards, it takes the first axis, and that must be the right one.


@triton.jit
def cross_scan_kernel(
    x,
    xs,
    channels,
    HEIGHT: tl.constexpr,
    WIDTH: tl.constexpr,
    CHANNELS_LAST: tl.constexpr,
    BLOCK_D: tl.constexpr,
    BLOCK_H: tl.constexpr,
    BLOCK_W: tl.constexpr,
):
    """One tile of x, [B,D,H,W] or [B,H,W,D] in memory, to its four places in xs [B,4,D,L]."""
    length: tl.constexpr = HEIGHT * WIDTH
    route = channels * length
    image = tl.program_id(2).to(tl.int64)
    x += image * route
    xs += image * 4 * route
    d, h, w = _tile(WIDTH, BLOCK_D, BLOCK_H, BLOCK_W)

    d_, h_, w_ = d[None, None, :], h[None, :, None], w[:, None, None]
    inside = (d_ < channels) & (h_ < HEIGHT) & (w_ < WIDTH)
    by_rows = h_ * WIDTH + w_
    source = by_rows * channels + d_ if CHANNELS_LAST else d_ * length + by_rows
    tile = tl.load(x + source, mask=inside)
    tl.store(xs + (d_ * length + by_rows), tile, mask=inside)
    tl.store(xs + 2 * route + (d_ * length + (length - 1 - by_rows)), tile, mask=inside)

    # Transposed in registers, so that a column's pixels are written side by side.
    turned = tl.permute(tile, (1, 0, 2))
    h_, w_ = h[:, None, None], w[None, :, None]
    inside = (d_ < channels) & (h_ < HEIGHT) & (w_ < WIDTH)
    by_columns = w_ * HEIGHT + h_
    tl.store(xs + route + (d_ * length + by_columns), turned, mask=inside)
    tl.store(xs + 3 * route + (d_ * length + (length - 1 - by_columns)), turned, mask=inside)


@triton.jit
def cross_merge_kernel(
    ys,
    y,
    channels,
    HEIGHT: tl.constexpr,
    WIDTH: tl.constexpr,
    CHANNELS_LAST: tl.constexpr,
    BLOCK_D: tl.constexpr,
    BLOCK_H: tl.constexpr,
    BLOCK_W: tl.constexpr,
):
    """One tile of y, [B,D,H,W] or [B,H,W,D] in memory: the float32 sum of four of ys [B,4,D,L]."""
    length: tl.constexpr = HEIGHT * WIDTH
    route = channels * length
    image = tl.program_id(2).to(tl.int64)
    ys += image * 4 * route
    y += image * route
    d, h, w = _tile(WIDTH, BLOCK_D, BLOCK_H, BLOCK_W)

    d_, h_, w_ = d[None, None, :], h[:, None, None], w[None, :, None]
    inside = (d_ < channels) & (h_ < HEIGHT) & (w_ < WIDTH)
    by_columns = w_ * HEIGHT + h_
    turned = tl.load(ys + route + (d_ * length + by_columns), mask=inside).to(tl.float32)
    back = d_ * length + (length - 1 - by_columns)
    turned += tl.load(ys + 3 * route + back, mask=inside).to(tl.float32)

    h_, w_ = h[None, :, None], w[:, None, None]
    inside = (d_ < channels) & (h_ < HEIGHT) & (w_ < WIDTH)
    by_rows = h_ * WIDTH + w_
    total = tl.load(ys + (d_ * length + by_rows), mask=inside).to(tl.float32)
    back = d_ * length + (length - 1 - by_rows)
    total += tl.load(ys + 2 * route + back, mask=inside).to(tl.float32)
    total += tl.permute(turned, (1, 0, 2))
    target = by_rows * channels + d_ if CHANNELS_LAST else d_ * length + by_rows
    tl.store(y + target, total, mask=inside)


@triton.jit
def _tile(
    WIDTH: tl.constexpr,
    BLOCK_D: tl.constexpr,
    BLOCK_H: tl.constexpr,
    BLOCK_W: tl.constexpr,
):
    """Channels, rows and columns of this program's tile."""
    across: tl.constexpr = (WIDTH + BLOCK_W - 1) // BLOCK_W
    d = tl.program_id(1) * BLOCK_D + tl.arange(0, BLOCK_D)
    h = tl.program_id(0) // across * BLOCK_H + tl.arange(0, BLOCK_H)
    w = tl.program_id(0) % across * BLOCK_W + tl.arange(0, BLOCK_W)
    return d, h, w


@triton.jit
def selective_scan_kernel(
    u,
    delta,
    a,
    b,
    c,
    skip,
    bias,
    y,
    channels,
    features,
    STATE: tl.constexpr,
    LENGTH: tl.constexpr,
    BLOCK_D: tl.constexpr,
    BLOCK_L: tl.constexpr,
):
    """A block of channels of one image and route, chunk after chunk of the route.

    u, delta and y are [B,4*D,L], a [4*D,N], skip and bias [4*D]; b and c point to the first of
    their rows in [B,4,features,L]. The state is float32 and goes from chunk to chunk in registers,
    one vector per state. L is a constant, so that the compiler knows how rows are aligned.
    """
    route, image = tl.program_id(1), tl.program_id(2).to(tl.int64)
    d = tl.program_id(0) * BLOCK_D + tl.arange(0, BLOCK_D)
    in_route = d < channels
    channel = route * channels + d
    shift = tl.load(bias + channel, mask=in_route, other=0.0)
    straight = tl.load(skip + channel, mask=in_route, other=0.0)
    map_start = (image * 4 + route) * channels * LENGTH
    u += map_start
    delta += map_start
    y += map_start
    b += (image * 4 + route) * features * LENGTH
    c += (image * 4 + route) * features * LENGTH

    carried = (tl.zeros((BLOCK_D,), tl.float32),)
    for _ in tl.static_range(STATE - 1):
        carried = carried + (tl.zeros((BLOCK_D,), tl.float32),)  # noqa: RUF005
    position = tl.arange(0, BLOCK_L)
    is_last = position == BLOCK_L - 1
    for start in range(0, LENGTH, BLOCK_L):
        step = start + position
        on_route = step < LENGTH
        inside = in_route[:, None] & on_route[None, :]
        at = d[:, None] * LENGTH + step[None, :]
        # B and C are read once per channel, from the cache: read once per block, they would have to
        # go through shared memory and two barriers to where the channels' elements are.
        shared = tl.broadcast_to(step[None, :], (BLOCK_D, BLOCK_L))
        time = tl.load(delta + at, mask=inside, other=0.0).to(tl.float32) + shift[:, None]
        time = _softplus(time)
        value = tl.load(u + at, mask=inside, other=0.0).to(tl.float32)
        driven = time * value
        total = straight[:, None] * value
        left = ()
        for n in tl.static_range(STATE):
            rate = tl.load(a + channel * STATE + n, mask=in_route, other=0.0) * 1.4426950408889634
            b_n = tl.load(b + n * LENGTH + shared, mask=inside, other=0.0).to(tl.float32)
            c_n = tl.load(c + n * LENGTH + shared, mask=inside, other=0.0).to(tl.float32)
            decay = tl.exp2(time * rate[:, None])
            kept, h = tl.associative_scan((decay, driven * b_n), 1, _then)
            h += kept * carried[n][:, None]
            total += c_n * h
            left = left + (tl.sum(tl.where(is_last[None, :], h, 0.0), axis=1),)  # noqa: RUF005
        carried = left
        tl.store(y + at, total, mask=inside)


@triton.jit
def _then(decay, h, next_decay, next_h):
    """Two stretches of a route as one: what is left of a state after both, and what they add."""
    return decay * next_decay, next_decay * h + next_h


@triton.jit
def _softplus(v):
    """log(1 + e^v), relatively exact to float32's rounding even where it is close to 0.

    max(v, 0) + log1p(e^-|v|), the logarithm as 2 artanh(s) for s = e / (2 + e), at most 1/3.
    """
    e = tl.exp2(tl.abs(v) * -1.4426950408889634)
    s = e / (2.0 + e)
    square = s * s
    series = square * (1.0 / 13.0) + (1.0 / 11.0)
    series = series * square + (1.0 / 9.0)
    series = series * square + (1.0 / 7.0)
    series = series * square + (1.0 / 5.0)
    series = series * square + (1.0 / 3.0)
    return tl.maximum(v, 0.0) + 2.0 * (s + s * square * series)
