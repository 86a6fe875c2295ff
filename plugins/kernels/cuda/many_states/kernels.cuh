// The kernels of every call but those of one_state, for any list of routes: a lane for every
// channel, two warps for every scan (one image, 32 channels), or one where the routes are not
// paired. One launch where the images and channels alone fill the GPU:
//
//   merge_channels   each scan: along the rows, there and back, then so along the columns
//
// and more where they do not, with every route cut into segments:
//
//   channel_ends     every segment of every route from h = 0: its end state and its sum of steps
//   channel_starts   the states in which the segments truly start, in place of their ends; not
//                    where segments are few: the next kernels find them on their own
//   merge_channels   the segments again from there: along the rows
//   merge_channels   and along the columns: a launch for every pass
//
// Routes are counted by their places among the sorted ones. A scan's two warps walk toward each
// other: both put their results down over the first half of their way, meet, and add the rest to
// what the other has left. So every sum has one order. A warp that is alone walks all the way.
#pragma once

#include "cuda/many_states/map.cuh"
#include "cuda/many_states/scan.cuh"
#include "cuda/shared/platform.cuh"

namespace vmamba {

__device__ inline Stretch stretch_of(const ScanParams &params, int32_t route, int32_t segment) {
  const int32_t pixels = params.plan.pieces_per_segment * kChunkPixels;
  const int32_t begin = segment * pixels;
  return {begin, min(begin + pixels, params.length), route >= params.sorted.forward};
}

__device__ inline float *warp_memory(const ScanParams &params, int32_t warp) {
  return reinterpret_cast<float *>(dynamic_shared() + warp * params.plan.shared.warp_bytes);
}

template <typename T, int kLaneStates, bool kAligned>
__global__ void __launch_bounds__(kPairThreads, kResidentChunkWarps / kPairWarps)
    channel_ends(ScanParams params) {
  let_next_launch_begin();
  await_launch_before();
  const int32_t warp = warp_of_block(), warps = params.plan.warps_per_scan;
  const uint32_t items = params.scans * params.routes * params.plan.segments;
  for (uint32_t item = blockIdx.x * warps + warp; item < items; item += gridDim.x * warps) {
    uint32_t image = item;
    const int32_t group = take_digit(image, params.groups);
    const int32_t route = take_digit(image, params.routes);
    const int32_t segment = take_digit(image, params.plan.segments);
    const ChannelLane lane(params, group);
    ChannelScan<T, kLaneStates, kAligned> scan(params, lane, warp_memory(params, warp));
    const int64_t place = segment_place(params, route_number(image, params.routes, route), segment,
                                        group, kWarpChannels);
    float *const ends = params.segment_ends + place * params.state;
    for (int32_t first = 0; first < params.state; first += scan.kStates) {
      scan.open(image, route, first);
      float h[kLaneStates][kWalkedChannels] = {}, sum = 0.0f;
      scan.walk(stretch_of(params, route, segment), NoChannelMerge{}, h, sum);
#pragma unroll
      for (int n = 0; n < kLaneStates; ++n) {
        if (scan.lane_state(n) >= params.state) continue;
        float *const of_state = ends + scan.lane_state(n) * kWarpChannels;
        of_state[lane.index] = h[n][0];
        of_state[lane.neighbour()] = h[n][1];
      }
      params.segment_sums[place + lane.index] = sum;
    }
  }
}

// One state of one channel a thread, from segment to segment in the route's order.
__global__ void __launch_bounds__(kPairThreads, 1) channel_starts(ScanParams params) {
  let_next_launch_begin();
  await_launch_before();
  constexpr int kAhead = 16;  // segments that are asked for at a time
  const int32_t segments = params.plan.segments;
  const int32_t warp = warp_of_block(), warps = params.plan.warps_per_scan;
  const uint32_t items = params.scans * params.routes * params.state;
  for (uint32_t item = blockIdx.x * warps + warp; item < items; item += gridDim.x * warps) {
    uint32_t image = item;
    const int32_t place = static_cast<int32_t>(threadIdx.x) % kWarpLanes;
    const int32_t n = take_digit(image, params.state);
    const int32_t group = take_digit(image, params.groups);
    const int32_t route = take_digit(image, params.routes);
    const int32_t channel = min(group * kWarpChannels + place, params.channels - 1);
    const int64_t row = int64_t{params.sorted.routes[route]} * params.state + n;
    const float a = params.args.a[row * params.channels + channel];
    const bool backward = route >= params.sorted.forward;
    const int64_t begin = segment_place(params, route_number(image, params.routes, route),
                                        backward ? segments - 1 : 0, group, kWarpChannels);
    const float *sums = params.segment_sums + begin + place;
    float *ends = params.segment_ends + begin * params.state + n * kWarpChannels + place;
    const int64_t pitch = int64_t{params.groups} * kWarpChannels * (backward ? -1 : 1);
    const int64_t ends_pitch = pitch * params.state;
    float state = 0.0f;
#pragma unroll 1
    for (int32_t left = segments; left > 0; left -= kAhead) {
      float decay[kAhead], end[kAhead];
#pragma unroll
      for (int k = 0; k < kAhead; ++k) {
        const int32_t ahead = min(k, left - 1);
        decay[k] = exp2_approx(a * sums[ahead * pitch]);
        end[k] = ends[ahead * ends_pitch];
      }
#pragma unroll
      for (int k = 0; k < kAhead; ++k) {
        if (k < left) ends[k * ends_pitch] = state;
        state = fmaf(decay[k], state, end[k]);
      }
      sums += kAhead * pitch;
      ends += kAhead * ends_pitch;
    }
  }
}

// Sets h to the state in which a segment starts: as channel_starts has left it, or found here from
// the segments before it where they are few.
template <typename Scan>
__device__ void set_start(const ScanParams &params, const Scan &scan, int64_t image, int32_t route,
                          int32_t segment, int32_t group, typename Scan::States &h) {
#pragma unroll
  for (int n = 0; n < Scan::kOwnStates; ++n) h[n][0] = h[n][1] = 0.0f;
  if (params.plan.segments == 1) return;
  await_launch_before();
  const bool backward = route >= params.sorted.forward;
  const int32_t last = params.plan.segments - 1;
  const int32_t earlier = backward ? last - segment : segment;
  const bool folds = params.plan.segments <= kFoldedSegments;
  const int32_t begin = folds ? 0 : earlier, end = folds ? earlier : earlier + 1;
  const int32_t pitch = params.groups * kWarpChannels;  // from segment to segment
  const int64_t first = segment_place(params, route_number(image, params.routes, route),
                                      backward ? last : 0, group, kWarpChannels);
#pragma unroll 1
  for (int32_t i = begin; i < end; ++i) {
    const int64_t place = first + static_cast<int64_t>(backward ? -i : i) * pitch;
    scan.pass_segment(params.segment_sums + place, params.segment_ends + place * params.state, h);
  }
}

template <typename T, int kLaneStates, bool kAligned>
__global__ void __launch_bounds__(kPairThreads, kResidentChunkWarps / kPairWarps)
    merge_channels(ScanParams params) {
  if (params.last_pass < params.sorted.passes - 1) let_next_launch_begin();
  if (params.plan.segments == 1) await_launch_before();  // else once the routes are open
  const int32_t warp = warp_of_block(), warps = params.plan.warps_per_scan;
  const bool comes_back = warp == 1;
  const uint32_t items = params.scans * params.plan.segments;
  for (uint32_t item = blockIdx.x; item < items; item += gridDim.x) {
    uint32_t image = item;
    const int32_t group = take_digit(image, params.groups);
    const int32_t segment = take_digit(image, params.plan.segments);
    const ChannelLane lane(params, group);
    ChannelScan<T, kLaneStates, kAligned> scan(params, lane, warp_memory(params, warp));
    ChannelMerge<T> merge(params, lane, image);
#pragma unroll 1
    for (int32_t pass = params.first_pass; pass <= params.last_pass; ++pass) {
      const int32_t route = pass + (comes_back ? params.sorted.passes : 0);
      const Stretch all = stretch_of(params, route, segment);
      const int32_t half_length = (all.end - all.begin) / 2 / kChunkPixels * kChunkPixels;
      const int32_t middle = warps == 1 ? all.end : all.begin + half_length;
#pragma unroll 1
      for (int32_t first = 0; first < params.state; first += scan.kStates) {
        scan.open(image, route, first);
        merge.open(route, first == 0);
        float h[kLaneStates][kWalkedChannels], unused = 0.0f;
        set_start(params, scan, image, route, segment, group, h);
#pragma unroll 1
        for (int half = 0; half != warps; ++half) {
          const bool lower = (half == 0) != comes_back;
          const Stretch own{lower ? all.begin : middle, lower ? middle : all.end, all.backward};
          merge.set_walk(half == 0 && pass == 0 && first == 0,
                         half == warps - 1 && pass == params.sorted.passes - 1 &&
                             first + scan.kStates >= params.state);
          scan.walk(own, merge, h, unused);
          __syncthreads();
        }
      }
    }
  }
}

}  // namespace vmamba
