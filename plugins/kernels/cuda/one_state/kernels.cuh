// The kernels of N = 1. One launch where the images and channels alone fill the GPU:
//
//   merge_routes     each scan (one image, 16 channels): routes 0 and 2 along the rows, then 1
//                    and 3 along the columns, added up in the map; the last to come writes y
//
// and three where they do not, with every route cut into segments of whole tiles:
//
//   segment_ends     every segment of every route from h = 0: its end state and its sum of steps
//   merge_routes     the segments again, from their true starts: along the rows
//   merge_routes     and along the columns
//
// The warps of a scan go toward each other, half of them forward: all put their results down up to
// the middle of their way, meet, and add the rest to what the others have left. No atomics: a sum's
// order is fixed by the plan, and the same call gives the same bits.
#pragma once

#include "cuda/one_state/map.cuh"
#include "cuda/one_state/scan.cuh"
#include "cuda/shared/platform.cuh"

namespace vmamba {

__device__ inline int32_t group_blocks(const ScanParams &params) {
  return (params.groups + params.plan.scans_per_block - 1) / params.plan.scans_per_block;
}

// Which scan of the block and which of its warps a warp is. Two and more are as many that go
// forward as go backward; one takes the routes in turn.
struct WarpPlace {
  int32_t scan;
  bool paired, backward;
  int32_t member, members;  // of the warps that go its way
  unsigned char *scan_memory, *warp_memory;

  __device__ explicit WarpPlace(const ScanParams &params) {
    const int32_t warp = warp_of_block();
    const LaunchPlan &plan = params.plan;
    scan = warp / plan.warps_per_scan;
    const int32_t of_scan = warp - scan * plan.warps_per_scan;
    paired = plan.warps_per_scan > 1;
    members = paired ? plan.warps_per_scan / 2 : 1;
    backward = of_scan >= members;
    member = backward ? of_scan - members : of_scan;
    scan_memory = dynamic_shared() + scan * plan.shared.scan_bytes;
    warp_memory = dynamic_shared() + plan.shared.first_warp + warp * plan.shared.warp_bytes;
  }

  __device__ unsigned char *carry(const ScanParams &params) const {
    return scan_memory + params.plan.shared.carry +
           (backward ? kGroupChannels * static_cast<int32_t>(sizeof(float)) : 0);
  }
};

// The tiles that one warp takes of a segment, in the route's order, in turn with the other warps
// that go its way.
struct TileTurns {
  int32_t begin, end;  // of the segment
  int32_t member, members, first_barrier;

  __device__ TileTurns(const ScanParams &params, int32_t segment, const WarpPlace &warp)
      : begin(segment * params.plan.pieces_per_segment),
        end(min(begin + params.plan.pieces_per_segment, params.plan.pieces)),
        member(warp.member),
        members(warp.members),
        first_barrier(warp.backward ? 1 + warp.members : 1) {}

  __device__ int32_t count() const { return (end - begin - member + members - 1) / members; }

  __device__ int32_t tile(int32_t turn, bool backward) const {
    const int32_t place = member + turn * members;
    return backward ? end - 1 - place : begin + place;
  }

  // How many of them, its first ones, come before the other way of the pass gets there: warps that
  // go toward each other share the tiles between them, a lone one is through with forward before.
  __device__ int32_t first_visits(bool paired, bool backward) const {
    const int32_t tiles = end - begin, lower = tiles / 2;
    if (!paired) return backward ? 0 : count();
    return ((backward ? tiles - lower : lower) - member + members - 1) / members;
  }

  template <int kMembers>
  __device__ TileLink<kMembers> link(int32_t tile, bool backward) const {
    TileLink<kMembers> link;
    link.first = tile == (backward ? end - 1 : begin);
    link.last = tile == (backward ? begin : end - 1);
    link.own_barrier = first_barrier + member;
    link.next_barrier = first_barrier + (member + 1 == members ? 0 : member + 1);
    return link;
  }
};

// The segments of a route before one segment, in the route's order.
struct EarlierSegments {
  static constexpr int kBatch = 4;  // asked for at a time
  int32_t count;
  int32_t first, turn;  // 1 or -1
  int64_t place;        // of segment 0

  __device__ EarlierSegments(const ScanParams &params, int64_t image, int32_t route,
                             int32_t segment, int32_t group)
      : count(route >= 2 ? params.plan.segments - 1 - segment : segment),
        first(route >= 2 ? params.plan.segments - 1 : 0),
        turn(route >= 2 ? -1 : 1),
        place(segment_place(params, route_number(image, VMAMBA_MOST_ROUTES, route), 0, group,
                            kGroupChannels)) {}

  // Moves the four channels from `own` over segments begin .. end - 1, and adds up their steps.
  __device__ void fold(const ScanParams &params, int32_t begin, int32_t end, int32_t own,
                       const LaneValues &a, LaneValues &state, LaneValues &steps) const {
    const int32_t pitch = params.groups * kGroupChannels;  // from segment to segment
    for (int32_t batch = begin; batch < end; batch += kBatch) {
      LaneValues sums[kBatch], ends[kBatch];
#pragma unroll
      for (int k = 0; k < kBatch; ++k) {
        const int32_t s = min(batch + k, end - 1);
        const int64_t at = place + static_cast<int64_t>(first + turn * s) * pitch + own;
        load_quad(params.segment_sums + at, sums[k]);
        load_quad(params.segment_ends + at, ends[k]);
      }
#pragma unroll
      for (int k = 0; k < kBatch; ++k) {
        if (batch + k >= end) continue;
#pragma unroll
        for (int i = 0; i < kLaneChannels; ++i) {
          state[i] = fmaf(exp2_approx(a[i] * sums[k][i]), state[i], ends[k][i]);
          steps[i] += sums[k][i];
        }
      }
    }
  }
};

// Sets the carry to the state in which a segment starts. Every run takes a part of the segments
// before it, and the parts are joined as runs are.
template <typename T, bool kAligned>
__device__ void set_start(const ScanParams &params, const RouteScan<T, kAligned> &scan,
                          int64_t image, int32_t route, int32_t segment, int32_t group) {
  const Lane<kAligned> &lane = scan.lane();
  const EarlierSegments segments(params, image, route, segment, group);
  const int32_t own = lane.quad * kLaneChannels;
  LaneValues state = {0.0f, 0.0f, 0.0f, 0.0f}, sums = {0.0f, 0.0f, 0.0f, 0.0f}, decay;
  await_launch_before();
  __syncwarp();
  if (segments.count > 0) {
    const int32_t part = (segments.count + kRuns - 1) / kRuns;
    const int32_t end = min((lane.run + 1) * part, segments.count);
    segments.fold(params, lane.run * part, end, own, scan.decay_rates(), state, sums);
#pragma unroll
    for (int i = 0; i < kLaneChannels; ++i) decay[i] = exp2_approx(scan.decay_rates()[i] * sums[i]);
    scan_runs<false>(lane.run, decay, state);
  }
  if (lane.run == kRuns - 1) store_quad(scan.carry() + own, state);
  __syncwarp();
}

__device__ inline void synchronize(const ScanParams &params) {
  if (params.plan.warps_per_scan > 1) {
    __syncthreads();
  } else {
    __syncwarp();
  }
}

template <typename T, bool kAligned>
__global__ void __launch_bounds__(kResidentWarps *kWarpLanes, 1) segment_ends(ScanParams params) {
  let_next_launch_begin();
  await_launch_before();
  const WarpPlace warp(params);
  // Of a scan whose warps are two, each takes the routes that go its way.
  const int32_t item_routes = warp.paired ? VMAMBA_MOST_ROUTES / 2 : VMAMBA_MOST_ROUTES;
  const uint32_t items = params.batch * item_routes * params.plan.segments * group_blocks(params);
  for (uint32_t item = blockIdx.x; item < items; item += gridDim.x) {
    uint32_t image = item;
    const int32_t group =
        take_digit(image, group_blocks(params)) * params.plan.scans_per_block + warp.scan;
    const int32_t route = take_digit(image, item_routes) + (warp.backward ? 2 : 0);
    const int32_t segment = take_digit(image, params.plan.segments);
    if (group >= params.groups) continue;
    const Lane<kAligned> lane(params, group);
    RouteScan<T, kAligned> scan(params, lane, warp.warp_memory, warp.carry(params));
    scan.open(image, route);
    const bool backward = route >= 2;
    if (lane.index < kGroupChannels) scan.carry()[lane.index] = 0.0f;
    __syncwarp();
    LaneValues sums = {0.0f, 0.0f, 0.0f, 0.0f};
    const TileTurns turns(params, segment, warp);
    for (int32_t turn = 0; turn < turns.count(); ++turn) {
      const int32_t tile = turns.tile(turn, backward);
      scan.scan(scan.run(tile), turns.link<1>(tile, backward), sums, NoMerge{}, [] {});
    }
    __syncwarp();
    const int64_t place = segment_place(params, route_number(image, VMAMBA_MOST_ROUTES, route),
                                        segment, group, kGroupChannels);
    if (lane.index < kGroupChannels) {
      params.segment_ends[place + lane.index] = scan.carry()[lane.index];
    }
#pragma unroll
    for (int i = 0; i < kLaneChannels; ++i) {
#pragma unroll
      for (int distance = 4; distance < kWarpLanes; distance *= 2) {
        sums[i] += shuffle_from(sums[i], lane.index ^ distance);
      }
    }
    if (lane.run == 0) store_quad(params.segment_sums + place + lane.quad * kLaneChannels, sums);
    __syncwarp();
  }
}

// kMembers: the most warps of a scan that go one way. Routes are cut where they are one alone.
template <typename T, bool kAligned, int kMembers>
__global__ void __launch_bounds__(kResidentWarps *kWarpLanes, 1) merge_routes(ScanParams params) {
  if (params.last_pass == 0) let_next_launch_begin();
  if (params.plan.segments == 1) await_launch_before();  // else once the first tile is at hand
  const WarpPlace warp(params);
  const int32_t stride = warp.paired ? 2 : 1;
  const uint32_t items = params.batch * params.plan.segments * group_blocks(params);
  for (uint32_t item = blockIdx.x; item < items; item += gridDim.x) {
    uint32_t image = item;
    const int32_t group =
        take_digit(image, group_blocks(params)) * params.plan.scans_per_block + warp.scan;
    const int32_t segment = take_digit(image, params.plan.segments);
    if (group >= params.groups) continue;  // never where warps share a scan: its block has no other
    const Lane<kAligned> lane(params, group);
    RouteScan<T, kAligned> scan(params, lane, warp.warp_memory, warp.carry(params));
    const TileTurns turns(params, segment, warp);
    Merge<T, kAligned> merge(params, lane, image, reinterpret_cast<float *>(warp.scan_memory));
    for (int32_t step = 2 * params.first_pass; step < 2 * params.last_pass + 2; step += stride) {
      const bool backward = warp.backward || step % 2 == 1;
      const int32_t route = step / 2 + (backward ? 2 : 0);
      if (step == 2) synchronize(params);  // from rows to columns a pixel changes its warp
      scan.open(image, route);
      const bool starts_late = kMembers == 1 && params.plan.starts_late;
      if (kMembers == 1 && !starts_late) set_start(params, scan, image, route, segment, group);
      const auto open_route = [&] {
        if (starts_late) set_start(params, scan, image, route, segment, group);
      };
      const int32_t first_visits = turns.first_visits(warp.paired, backward);
      LaneValues unused = {0.0f, 0.0f, 0.0f, 0.0f};
#pragma unroll 1
      for (int32_t turn = 0; turn < turns.count(); ++turn) {
        const int32_t tile = turns.tile(turn, backward);
        merge.begin_tile(step / 2, turn < first_visits, warp.paired && turn == first_visits);
        scan.scan(scan.run(tile), turns.link<kMembers>(tile, backward), unused, merge, open_route);
      }
      if (warp.paired && first_visits >= turns.count()) __syncthreads();
    }
    synchronize(params);
  }
}

}  // namespace vmamba
