// The three phases of the scan. No barrier, no atomic, no shared memory: a thread owns what it
// writes.
//
//   chunk_ends    every chunk from h = 0: its end state and the sum of its deltas
//   carry_states  over the chunks of a route: the state in which each chunk starts
//   merge_routes  every chunk again from its true start, added to the map; first the two row
//   routes,
//                 then, in stream order, the two column routes, whose last one rounds to y
#ifndef VMAMBA_KERNELS_CUDA_SCAN_KERNELS_CUH
#define VMAMBA_KERNELS_CUDA_SCAN_KERNELS_CUH

#include "cuda/chunk_scan.cuh"

namespace vmamba {

// Takes the lowest digit, in base size, off number.
__device__ inline int32_t take_digit(int64_t &number, int32_t size) {
  const int64_t rest = number / size;
  const int32_t digit = static_cast<int32_t>(number - rest * size);
  number = rest;
  return digit;
}

__device__ inline int32_t take_channel(int64_t &number, const ScanParams &params) {
  return take_digit(number, params.channel_blocks) * kMaxThreads +
         static_cast<int32_t>(threadIdx.x);
}

__device__ inline int64_t chunk_row(const ScanParams &params, const ChunkItem &item) {
  return (item.image * VMAMBA_ROUTES + item.route) * params.chunks + item.chunk;
}

__device__ inline int64_t state_offset(const ScanParams &params, const ChunkItem &item) {
  return (chunk_row(params, item) * params.state + item.group * kGroupStates) * params.channels +
         item.channel;
}

// One block per multiprocessor is enough for the launch bounds: asked for more, the compiler
// spills.
template <typename T, int kStates>
__global__ void __launch_bounds__(kMaxThreads, 1) chunk_ends(ScanParams params) {
  const int64_t items =
      params.batch * VMAMBA_ROUTES * params.chunks * params.state_groups * params.channel_blocks;
  for (int64_t index = blockIdx.x; index < items; index += gridDim.x) {
    int64_t rest = index;
    ChunkItem item;
    item.channel = take_channel(rest, params);
    item.group = take_digit(rest, params.state_groups);
    item.chunk = take_digit(rest, params.chunks);
    item.route = take_digit(rest, VMAMBA_ROUTES);
    item.image = rest;
    if (item.channel >= params.channels) continue;
    ChunkScan<T, kStates> scan(params, item);
    float delta_sum = 0.0f;
    scan.run([&](int32_t, float delta, float, const T *) { delta_sum += delta; });
    float *ends = params.chunk_states + state_offset(params, item);
#pragma unroll
    for (int n = 0; n < kStates; ++n) {
      if (n < scan.states()) ends[static_cast<int64_t>(n) * params.channels] = scan.h[n];
    }
    if (item.group == 0) {
      params.delta_sums[chunk_row(params, item) * params.channels + item.channel] = delta_sum;
    }
  }
}

__global__ void __launch_bounds__(kMaxThreads, 1) carry_states(ScanParams params) {
  const int64_t items = params.batch * VMAMBA_ROUTES * params.state * params.channel_blocks;
  for (int64_t index = blockIdx.x; index < items; index += gridDim.x) {
    int64_t rest = index;
    const int32_t channel = take_channel(rest, params);
    const int32_t n = take_digit(rest, params.state);
    const int32_t route = take_digit(rest, VMAMBA_ROUTES);
    if (channel >= params.channels) continue;
    const float a =
        params.args.a[(static_cast<int64_t>(route) * params.state + n) * params.channels + channel];
    const int32_t first = route < 2 ? 0 : params.chunks - 1;
    const int32_t step = route < 2 ? 1 : -1;
    int64_t row = (rest * VMAMBA_ROUTES + route) * params.chunks + first;
    float h = 0.0f;
    for (int32_t i = 0; i < params.chunks; ++i, row += step) {
      float *slot = params.chunk_states + (row * params.state + n) * params.channels + channel;
      const float end = *slot;
      *slot = h;
      h = fmaf(expf(params.delta_sums[row * params.channels + channel] * a), h, end);
    }
  }
}

// Adds one route, for one group of states, to the map over one chunk.
template <typename T, int kStates>
__device__ void merge_chunk(const ScanParams &params, const ChunkItem &item) {
  ChunkScan<T, kStates> scan(params, item);
  if (params.chunks > 1) {
    const float *starts = params.chunk_states + state_offset(params, item);
#pragma unroll
    for (int n = 0; n < kStates; ++n) {
      if (n < scan.states()) scan.h[n] = starts[static_cast<int64_t>(n) * params.channels];
    }
  }
  const bool opens = item.route == 0 && item.group == 0;
  const bool rounds = params.rounds_output && item.route == VMAMBA_ROUTES - 1 &&
                      item.group == params.state_groups - 1;
  const float skip =
      item.group == 0
          ? params.args.d[static_cast<int64_t>(item.route) * params.channels + item.channel]
          : 0.0f;
  const int64_t first = item.image * params.length * params.channels + item.channel;
  scan.run([&](int32_t pixel, float, float u, const T *c) {
    // Only the first group has the skip: 0 * u would make NaN of an infinite u.
    float out = item.group == 0 ? skip * u : 0.0f;
#pragma unroll
    for (int n = 0; n < kStates; ++n) {
      if (n < scan.states()) out = fmaf(to_float(c[n]), scan.h[n], out);
    }
    const int64_t offset = first + static_cast<int64_t>(pixel) * params.channels;
    const float merged = opens ? out : params.map[offset] + out;
    if (rounds) {
      store(static_cast<T *>(params.args.y) + offset, merged);
    } else {
      params.map[offset] = merged;
    }
  });
}

// kColumns false: routes 0 and 2, true: routes 1 and 3. Both cover the same pixels of a chunk.
template <typename T, int kStates, bool kColumns>
__global__ void __launch_bounds__(kMaxThreads, 1) merge_routes(ScanParams params) {
  const int64_t items = params.batch * params.chunks * params.channel_blocks;
  for (int64_t index = blockIdx.x; index < items; index += gridDim.x) {
    int64_t rest = index;
    ChunkItem item;
    item.channel = take_channel(rest, params);
    item.chunk = take_digit(rest, params.chunks);
    item.image = rest;
    if (item.channel >= params.channels) continue;
    for (int32_t back = 0; back < 2; ++back) {
      item.route = 2 * back + (kColumns ? 1 : 0);
      for (item.group = 0; item.group < params.state_groups; ++item.group) {
        merge_chunk<T, kStates>(params, item);
      }
    }
  }
}

}  // namespace vmamba

#endif  // VMAMBA_KERNELS_CUDA_SCAN_KERNELS_CUH
