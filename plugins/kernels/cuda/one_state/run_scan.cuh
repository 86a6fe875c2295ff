// From the runs of one tile to the state in which each begins.
#pragma once

#include "cuda/one_state/lane.cuh"

namespace vmamba {

// Lets the states at the end of each run see the runs before it: state is that of one run when
// called, and of all runs up to the lane's own after. So is decay where kKeepsDecay.
template <bool kKeepsDecay>
__device__ void scan_runs(int32_t run, LaneValues &decay, LaneValues &state) {
#pragma unroll
  for (int distance = 1; distance < kRuns; distance *= 2) {
    const bool sees = run >= distance;
#pragma unroll
    for (int i = 0; i < kLaneChannels; ++i) {
      const float earlier_state = shuffle_up(state[i], 4 * distance);
      add_product_where(sees, state[i], decay[i], earlier_state);
      if (kKeepsDecay || 2 * distance < kRuns) {
        multiply_where(sees, decay[i], shuffle_up(decay[i], 4 * distance));
      }
    }
  }
}

// The state that passes from tile to tile, 16 channels in shared memory, and between the warps that
// take the tiles in turn: as many as kMembers, or fewer.
template <int kMembers>
struct TileLink {
  static constexpr bool kChained = kMembers > 1;
  static constexpr int kLastBarrier = chain_barriers(kMembers);
  // A lone warp finds the start of the route in the slot; several begin it at zero.
  int32_t own_barrier, next_barrier;  // of several
  bool first, last;                   // of the route

  // Takes the state before the tile, leaves the one after it for the next tile.
  // slot: the thread's four of the 16 channels.
  __device__ void pass(int32_t run, float *slot, const LaneValues &decay, const LaneValues &state,
                       LaneValues &before) const {
    if (kChained && first) {
#pragma unroll
      for (int i = 0; i < kLaneChannels; ++i) before[i] = 0.0f;
    } else {
      if constexpr (kChained) pair_wait<1, kLastBarrier>(own_barrier);
      load_quad(slot, before);
    }
    __syncwarp();
    if (run == kRuns - 1) {
      LaneValues after;
#pragma unroll
      for (int i = 0; i < kLaneChannels; ++i) after[i] = fmaf(decay[i], before[i], state[i]);
      store_quad(slot, after);
    }
    __syncwarp();
    if constexpr (kChained) {
      if (!last) pair_arrive<1, kLastBarrier>(next_barrier);
    }
  }
};

// The state in which the lane's run begins. decay and state: those of its run from h = 0. All that
// can be is done before the state of the tile before is there, which another warp may have, or the
// launch ahead. open_route: leaves the state in which a lone warp's route starts in the slot.
template <typename Link, typename OpenRoute>
__device__ void find_start(int32_t run, const Link &link, const OpenRoute &open_route, float *slot,
                           LaneValues &decay, LaneValues &state, LaneValues &start) {
  scan_runs<true>(run, decay, state);
  if constexpr (!Link::kChained) {
    if (link.first) open_route();
  }
  LaneValues before_tile;
  link.pass(run, slot, decay, state, before_tile);
#pragma unroll
  for (int i = 0; i < kLaneChannels; ++i) {
    const float runs_decay = shuffle_up(decay[i], 4);
    const float runs_state = shuffle_up(state[i], 4);
    start[i] = run == 0 ? before_tile[i] : fmaf(runs_decay, before_tile[i], runs_state);
  }
}

}  // namespace vmamba
