// How a warp covers a piece of a route where it keeps the states in registers: the shape that
// kernels and plans share.
#pragma once

#include <cstdint>

#include "cuda/shared/launch_plan.h"

namespace vmamba {

// A lane prepares one channel, and walks that and its neighbour lane's with half of the states, up
// to eight, in registers, from pixel to pixel: the states are the independent work that hides the
// latencies, so nothing is walked twice. One channel with all states would wait for shared memory,
// from where every lane takes B and C. Eight pixels, a chunk, are prepared at a time: the columns
// of mma.m16n8.
constexpr int32_t kChunkPixels = 8;
constexpr int32_t kWarpChannels = kWarpLanes;
constexpr int32_t kWalkedChannels = 2;
constexpr int32_t kMostLaneStates = 8;
constexpr int32_t kMostStates = kWalkedChannels * kMostLaneStates;  // of a walk; more take several

// The parts of a warp's shared memory, in floats, by which rows lie in different banks: v by
// channel, B and C by pixel, and the pixels' numbers. What follows is the projection's.
constexpr int32_t kStepPitch = kChunkPixels + 4;
constexpr int32_t kStatePitch = 2 * kMostStates + 4;
constexpr int32_t kStagedStates = kWarpChannels * kStepPitch;
constexpr int32_t kStagedPixels = kStagedStates + kChunkPixels * kStatePitch;
constexpr int32_t kStagedWeights = kStagedPixels + kChunkPixels;

// A scan is walked by two warps, one forward and one backward, or by one where a route has none
// that comes back its way (see SortedRoutes). They are a block: blocks of two and four pairs were
// never 3% faster, and up to a quarter slower, at any of the calls that were timed.
constexpr int32_t kPairWarps = 2;
constexpr int32_t kPairThreads = kPairWarps * kWarpLanes;
// Of a multiprocessor: what the launch bounds hold the registers down for, 128 a thread.
constexpr int32_t kResidentChunkWarps = 16;

// So few segments find their starts on their own: it saves a launch.
constexpr int32_t kFoldedSegments = 8;

constexpr int32_t lane_states(int32_t state) {
  return state > kMostLaneStates ? kMostLaneStates : kMostLaneStates / 2;
}

}  // namespace vmamba
