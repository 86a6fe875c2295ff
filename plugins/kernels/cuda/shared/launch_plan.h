// Which kernels of the scan a call runs, with how many warps: chosen here, from shapes and the
// GPU's limits.
#pragma once

#include <cstdint>

#include "cuda/shared/device.h"
#include "vmamba/selective_scan.h"

namespace vmamba {

constexpr int32_t kBlockBarrier = 1;  // of every block, a named barrier of its own

// For the tensor cores a float32 weight is the sum of so many numbers of the inputs' type.
constexpr int32_t kHalfParts = 2;
constexpr int32_t kBfloat16Parts = 3;

// Bytes of a weight in shared memory: in parts, or as it is.
constexpr int32_t weight_bytes(bool bfloat16) {
  return 2 * (bfloat16 ? kBfloat16Parts : kHalfParts);
}

// Where a block's shared memory holds what, in bytes. many_states has but parts of warps.
struct SharedLayout {
  int32_t carry, scan_bytes;  // one scan: its map at 0, its carries forward and backward
  int32_t bias, warp_bytes;   // one warp: its weights at 0, its bias
  int32_t first_warp;         // where the warps' parts begin
  int32_t total;
};

// A scan is one group of channels of one image: 16 in one_state, else 32.
struct LaunchPlan {
  bool global_map;         // the map of the merge is in global, not in shared memory
  int32_t warps_per_scan;  // over 1, one half goes forward and one backward
  int32_t scans_per_block;
  int32_t pieces;              // of a route: tiles of 56 pixels in one_state, else chunks of 8
  int32_t pieces_per_segment;  // all of them where segments is 1
  int32_t segments;            // over 1, the routes are cut: several launches
  bool begins_early;  // launches begin before what is ahead of them in the stream has ended
  bool starts_late;   // one_state: a segment's first tile is scanned before its start is known
  int32_t resident_blocks;  // of a multiprocessor at a time, as the plan reckons
  int32_t spare_slot;       // of the map in shared memory: the first of one for every run
  SharedLayout shared;
  double estimated_cycles;  // by which the choice was made
  bool one_state;           // the kernels of one_state/ run it, else those of many_states/
};

// Sizes of desc must have passed layout_workspace.
LaunchPlan make_plan(const vmamba_selective_scan_desc &desc, const DeviceLimits &limits);

// No plan for desc, or for a smaller batch, height or width, has more segments over all images and
// groups than this: what a workspace must hold.
int64_t most_segments(const vmamba_selective_scan_desc &desc);

// Whether the kernels of one_state/ run a call: those of SelectiveScan2D with N = 1. Those of
// many_states/ take every other, whatever its N.
bool runs_one_state(const vmamba_selective_scan_desc &desc);

int32_t pieces_of(const vmamba_selective_scan_desc &desc);
int32_t groups_of(const vmamba_selective_scan_desc &desc);

// The same two of each family alone: one_state/plan.cpp and many_states/plan.cpp.
LaunchPlan make_one_state_plan(const vmamba_selective_scan_desc &desc, const DeviceLimits &limits);
LaunchPlan make_many_states_plan(const vmamba_selective_scan_desc &desc,
                                 const DeviceLimits &limits);
int64_t most_one_state_segments(const vmamba_selective_scan_desc &desc);
int64_t most_many_states_segments(const vmamba_selective_scan_desc &desc);

}  // namespace vmamba
