// How a warp covers a piece of a route where N = 1: the shape that kernels and plans share.
#pragma once

#include <cstdint>

#include "cuda/shared/launch_plan.h"

namespace vmamba {

// Lane 4 r + q of a warp holds run r of the tile, for channels 4 q .. 4 q + 3 of its group. These
// are the rows and columns of the accumulators of mma.m16n8: what the tensor cores compute is
// already where the scan needs it. Seven pixels a run fit the maps of 224-pixel images (56, 28, 14
// and 7 wide) without a rest, and 28 elements a thread are enough independent work to hide a
// latency.
constexpr int32_t kRuns = 8;
constexpr int32_t kRunPixels = 7;
constexpr int32_t kTilePixels = kRuns * kRunPixels;
constexpr int32_t kLaneChannels = 4;
constexpr int32_t kGroupChannels = 16;
constexpr int32_t kMaxBlockWarps = 12;
// Of a multiprocessor: what the kernels' launch bounds hold their registers down for, 168 a thread.
// Sixteen warps of 128 registers were 15% slower on an H200: a few spill, and fewer loads are
// ahead.
constexpr int32_t kResidentWarps = 12;

// Of a scan's warps, those that go one way; a lone one goes both, one after the other.
constexpr int32_t way_members(int32_t warps_per_scan) {
  return warps_per_scan > 1 ? warps_per_scan / 2 : 1;
}

// The kernels are compiled for at most so many warps a way: fewer warps, fewer named barriers.
constexpr int32_t kFewMembers = 2;
constexpr int32_t kMostMembers = kMaxBlockWarps / 2;
constexpr int32_t compiled_members(int32_t members) {
  return members == 1 ? 1 : members <= kFewMembers ? kFewMembers : kMostMembers;
}

// Named barriers by which the warps of both ways wait for those before them; a lone one has none.
constexpr int32_t chain_barriers(int32_t members) { return members > 1 ? 2 * members : 0; }

// Those and the block's own.
constexpr int32_t tile_barriers(int32_t warps_per_scan) {
  return kBlockBarrier + chain_barriers(compiled_members(way_members(warps_per_scan)));
}

}  // namespace vmamba
