// What every kernel of a call receives.
#pragma once

#include <cstddef>
#include <cstdint>

#include "cuda/shared/launch_plan.h"
#include "cuda/shared/sorted_routes.h"
#include "vmamba/selective_scan.h"

namespace vmamba {

// The pixels of a route as lines, rows or columns. From the last pixel of a line to the first of
// the next is a wrap. A route that goes backward takes the positions of its forward twin in
// reverse.
struct LineOrder {
  int32_t line;     // pixels of a line
  bool holds_runs;  // a whole number of runs: none goes over a wrap
  int32_t turn;     // 1, or -1 backward
  int32_t edge;     // where on a line a wrap begins
  // By which a turn moves, and by how much more where it wraps.
  int32_t pixel_step, slot_step;
  int32_t place_wrap, pixel_wrap, slot_wrap;
  int32_t pixel_inner, pixel_outer, slot_inner, slot_outer;
  uint32_t magic;  // position / line == position * magic >> shift for 0 <= position < 2^31
  int32_t shift;

  VMAMBA_HOST_DEVICE int32_t lines_before(int32_t position) const {
    return static_cast<int32_t>(static_cast<uint64_t>(position) * magic >> shift);
  }
  VMAMBA_HOST_DEVICE int32_t pixel(int32_t position) const {
    const int32_t outer = lines_before(position);
    return (position - outer * line) * pixel_inner + outer * pixel_outer;
  }
};

struct ScanParams {
  vmamba_selective_scan_args args;
  float *segment_sums;    // [B,K,segments,groups,C]: the sum of log2(1 + e^v) over a segment
  float *segment_ends;    // [B,K,segments,groups,N,C]: its end state from h = 0, over log 2
  float *map;             // [B,L,D]: what the routes add up to; y itself where y is float32
  uint32_t batch, scans;  // scans: groups of channels of all images
  int32_t length, channels, state, rank, features, groups;  // features: of a pixel's row in proj
  LineOrder orders[VMAMBA_MOST_ROUTES];                     // by place among the sorted routes
  LaunchPlan plan;
  int32_t first_pass, last_pass;  // of a launch
  // Of one pixel. Those of B and C are those of the features, those of y at times those of x: under
  // names of their own the compiler keeps no products for later, at the cost of further additions.
  uint32_t x_row_bytes, proj_row_bytes, state_row_bytes, y_row_bytes, map_row_bytes;
  bool rounds_output;  // y is not float32
  bool channel_steps;  // the step comes for each channel
  int32_t routes;
  int32_t dt_features;  // of a route and pixel: what lies before B
  SortedRoutes sorted;
  int64_t x_pitch;         // elements from a route's x to the next one's; 0 where it is one
  int64_t features_pitch;  // and of its features in proj
};

// A route's number through all images, of which each has `routes`; route: its place.
VMAMBA_HOST_DEVICE inline int64_t route_number(int64_t image, int32_t routes, int32_t route) {
  return image * routes + route;
}

// Where the sums of a segment begin, one for each channel of a group; its ends begin at N times
// this. route: a route's number.
VMAMBA_HOST_DEVICE inline int64_t segment_place(const ScanParams &params, int64_t route,
                                                int32_t segment, int32_t group,
                                                int32_t group_channels) {
  const int64_t of_route = route * params.plan.segments;
  return ((of_route + segment) * params.groups + group) * group_channels;
}

struct Workspace {
  size_t segment_sums = 0, segment_ends = 0, map = 0;  // byte offsets
  size_t bytes = 0;
};

// Enough for desc and for every desc with a smaller batch, height or width, on every GPU: a
// TensorRT engine asks once, for the largest shapes of its profile, and perhaps on another machine.
// VMAMBA_UNSUPPORTED where a size passes what the kernels index.
vmamba_status layout_workspace(const vmamba_selective_scan_desc &desc, Workspace *workspace);

// Whether two features can be read at a time and, in one_state, four channels read and written; of
// the half types those that the tensor cores project alone.
bool is_aligned(const vmamba_selective_scan_desc &desc, const vmamba_selective_scan_args &args);

ScanParams make_params(const vmamba_selective_scan_desc &desc,
                       const vmamba_selective_scan_args &args, const LaunchPlan &plan,
                       const Workspace &layout, void *workspace);

}  // namespace vmamba
