// How a block covers a box: the shape that the kernel and its plan share.
#pragma once

#include <cstdint>

#include "cuda/shared/device.h"

namespace vmamba {

// A block has one box and some channels, a warp of it four neighbouring ones at a time, which share
// every weight, index and branch. Lanes hold 32 neighbouring columns of the map, the window, and
// add up the rows of some bins; then each holds one output of these bins and adds up the columns.
// So a pixel of a channel is asked for once a row of bins, and a bin of n x n samples costs n + n
// steps, not n n.
constexpr int32_t kRoiWarps = 4;
constexpr int32_t kRoiThreads = kRoiWarps * kWarpLanes;
constexpr int32_t kRoiResidentBlocks = 6;  // what the launch bounds hold registers down for
constexpr int32_t kRoiChannels = 4;
constexpr int32_t kSliceStep = kRoiWarps * kRoiChannels;  // channels of a block, but for the last

// The outputs of a channel that the lanes have at a time: of a row of bins as many as there are
// lanes, and of so many rows as find room.
VMAMBA_HOST_DEVICE constexpr int32_t row_bins(int32_t output_size) {
  return output_size < kWarpLanes ? output_size : kWarpLanes;
}
VMAMBA_HOST_DEVICE constexpr int32_t bin_rows(int32_t output_size) {
  const int32_t rows = kWarpLanes / row_bins(output_size);
  return rows < output_size ? rows : output_size;
}

// Of a warp: sums over the rows, by channel, row of bins and column of the window. A pitch of 33
// floats leaves the rows in different banks.
constexpr int32_t kWindowPitch = kWarpLanes + 1;

// Pixels of a bin, in one direction, whose weights a block computes once: bins of up to 14 pixels
// have no more. The weights of further ones are computed where they are needed, so that a box of
// any size has room.
constexpr int32_t kKeptWeights = 16;

// A block's shared memory, in words: of rows and of columns the four numbers of an axis, the first
// pixel and the end of what each bin touches, and the weights; then the warps' windows.
VMAMBA_HOST_DEVICE constexpr int32_t axis_words(int32_t output_size) {
  return 4 + output_size * (2 + kKeptWeights);
}
VMAMBA_HOST_DEVICE constexpr int32_t window_words(int32_t output_size) {
  return kRoiChannels * bin_rows(output_size) * kWindowPitch;
}

}  // namespace vmamba
