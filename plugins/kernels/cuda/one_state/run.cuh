// The order in which a route visits the pixels, and the seven that a thread has of a tile.
#pragma once

#include "cuda/one_state/shape.h"
#include "cuda/shared/platform.cuh"
#include "cuda/shared/scan_params.h"

namespace vmamba {

// Walks the pixels of a route: one division when it is made (by multiplication), additions from
// then on. A slot is a pixel's place in the map.
class RouteWalk {
 public:
  // position: in the order of the lines, which a backward route goes down.
  __device__ RouteWalk(const LineOrder &order, int32_t position) : order_(order) {
    const int32_t outer = order.lines_before(position);
    inner_ = position - outer * order.line;
    pixel_ = inner_ * order.pixel_inner + outer * order.pixel_outer;
    slot_ = inner_ * order.slot_inner + outer * order.slot_outer;
  }

  __device__ int32_t pixel() const { return pixel_; }
  __device__ int32_t slot() const { return slot_; }

  // Without a choice between two constants, which would become loads that wait for the comparison.
  __device__ void advance() {
    const int32_t wraps = inner_ == order_.edge ? 1 : 0;
    inner_ += order_.turn + wraps * order_.place_wrap;
    pixel_ += order_.pixel_step + wraps * order_.pixel_wrap;
    slot_ += order_.slot_step + wraps * order_.slot_wrap;
  }

 private:
  const LineOrder &order_;
  int32_t inner_, pixel_, slot_;
};

// What a thread knows of its run in a tile. Within the warp the runs stand in the route's order.
struct Run {
  int32_t tile;
  int32_t first;  // position of its first pixel in the order of the lines, forwards or back
  int32_t turn;   // 1 or -1
  bool whole;     // no pixel of the tile is past the end
  int32_t pixels[kRunPixels], slots[kRunPixels];

  __device__ int32_t position(int32_t j) const { return first + turn * j; }
};

// lane_run: which of the tile's eight runs.
__device__ inline Run run_of(const ScanParams &params, int32_t lane_run, int32_t route,
                             int32_t tile) {
  const bool backward = route >= 2;
  Run run;
  run.tile = tile;
  run.turn = backward ? -1 : 1;
  const int32_t place = lane_run * kRunPixels;
  run.first = tile * kTilePixels + (backward ? kTilePixels - 1 - place : place);
  run.whole = (tile + 1) * kTilePixels <= params.length;
  const LineOrder &order = params.orders[route];
  RouteWalk walk(order, run.first);
  if (order.holds_runs) {
#pragma unroll
    for (int j = 0; j < kRunPixels; ++j) {
      run.pixels[j] = walk.pixel() + j * order.pixel_step;
      run.slots[j] = walk.slot() + j * order.slot_step;
    }
  } else {
#pragma unroll
    for (int j = 0; j < kRunPixels; ++j) {
      run.pixels[j] = walk.pixel();
      run.slots[j] = walk.slot();
      walk.advance();
    }
  }
  if (params.plan.segments > 1) {
    // Both routes of a pass cover a segment in the same lines: its positions will do as slots.
    const int32_t in_segment = tile % params.plan.pieces_per_segment * kTilePixels;
#pragma unroll
    for (int j = 0; j < kRunPixels; ++j) {
      run.slots[j] = in_segment + run.position(j) - tile * kTilePixels;
    }
  }
  if (!run.whole) {
#pragma unroll
    for (int j = 0; j < kRunPixels; ++j) {
      if (run.position(j) < params.length) continue;
      run.pixels[j] = 0;  // any that can be read
      run.slots[j] = params.plan.spare_slot + lane_run;
    }
  }
  return run;
}

}  // namespace vmamba
