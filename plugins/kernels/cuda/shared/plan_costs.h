// What plans are compared by. "Cycles" are those of one multiprocessor, and only order the
// candidates: they began as counts of instructions and were fitted to the times of all candidates
// at 88 calls on an H200 (docs/kernel_notes.md).
#pragma once

#include <algorithm>
#include <cmath>

#include "cuda/shared/launch_plan.h"

namespace vmamba {

constexpr double kSchedulers = 4;  // of a multiprocessor: each issues for one warp

// Of some work of a warp.
struct Cost {
  double issue;    // instructions, or cycles of the pipe that they keep busiest
  double latency;  // cycles, where the warp has its scheduler to itself
};

// Cycles for a warp of `per_scheduler` that share a scheduler. What one waits, others only partly
// fill.
inline double cycles_of(const Cost &cost, double per_scheduler) {
  const double issue = std::max(1.0, per_scheduler) * cost.issue;
  return std::max(cost.latency, issue) + std::min(cost.latency, issue) / 4;
}

// A further launch in the stream: from 9.0 on it begins before the one ahead has ended.
inline double further_launch_cycles(const DeviceLimits &limits) {
  return limits.compute_capability >= 90 ? 2300 : 3500;
}

// Of global memory, for one multiprocessor: HBM, or the GDDR of workstations and desktops.
inline double bytes_per_cycle(const DeviceLimits &limits) {
  switch (limits.compute_capability) {
    case 75:
    case 86:
    case 89:
    case 120:
      return 4;
    default:
      return 13;
  }
}

// Of a multiprocessor: two for each of its blocks, or one. As cuda_occupancy.h of the CUDA toolkit
// has it, where they limit nothing before 9.0.
inline int32_t named_barriers(const DeviceLimits &limits) {
  const int32_t capability = limits.compute_capability;
  const bool one_each = capability == 101 || capability == 110 || capability / 10 == 12;
  if (capability < 90) return INT32_MAX;
  return (one_each ? 1 : 2) * limits.blocks_per_multiprocessor;
}

// What a block takes of its multiprocessor.
struct BlockNeeds {
  int32_t shared_bytes, warps, barriers;
};

// Blocks of which a multiprocessor holds some at once, at most `most_warps` warps.
inline int32_t resident_blocks(const DeviceLimits &limits, const BlockNeeds &block,
                               int32_t most_warps) {
  const int32_t reserved = 1024;  // of every block, by the driver
  const int32_t by_memory =
      limits.shared_bytes_per_multiprocessor / (block.shared_bytes + reserved);
  const int32_t by_barriers = named_barriers(limits) / block.barriers;
  const int32_t by_number = std::min(limits.blocks_per_multiprocessor, by_barriers);
  return std::max(1, std::min({by_memory, most_warps / block.warps, by_number}));
}

// Of a launch, as long as the multiprocessor with most blocks takes: rounds of all that fit there,
// and one of the rest. round_cycles: of blocks that are together on a multiprocessor.
template <typename RoundCycles>
double launch_cycles(const DeviceLimits &limits, double blocks, int32_t resident,
                     const RoundCycles &round_cycles) {
  const double most = std::ceil(blocks / limits.multiprocessors);
  const double full_rounds = std::floor(most / resident);
  const double rest = most - full_rounds * resident;
  return full_rounds * round_cycles(resident) + (rest > 0 ? round_cycles(rest) : 0);
}

inline int32_t round_up(int32_t value, int32_t step) { return (value + step - 1) / step * step; }

}  // namespace vmamba
