// Which channel a thread has, and which eight pixels its warp is at.
#pragma once

#include "cuda/many_states/shape.h"
#include "cuda/shared/element.cuh"
#include "cuda/shared/scan_params.h"

namespace vmamba {

using ChunkValues = float[kChunkPixels];
using PairValues = float[kWalkedChannels];  // of the lane's own channel, and its neighbour's

// Channels past D are computed from D's last one and never stored.
struct ChannelLane {
  const int32_t index;      // 0..31, and which of the warp's channels
  const int32_t row, quad;  // of a matrix product: 0..7 and 0..3
  const int32_t half;       // of the states

  __device__ ChannelLane(const ScanParams &params, int32_t group)
      : index(static_cast<int32_t>(threadIdx.x) % kWarpLanes),
        row(index / 4),
        quad(index % 4),
        half(index % 2),
        channels_(params.channels),
        first_(group * kWarpChannels) {}

  // A channel of the warp, or one that exists.
  __device__ int32_t channel(int32_t place) const { return min(first_ + place, channels_ - 1); }
  __device__ int32_t own() const { return channel(index); }
  __device__ int32_t neighbour() const { return index ^ 1; }
  __device__ bool keeps() const { return first_ + index < channels_; }

 private:
  const int32_t channels_, first_;
};

// Positions of a route that a warp walks without a stop, in the order of the lines.
struct Stretch {
  int32_t begin, end;
  bool backward;

  __device__ int32_t chunks() const { return (end - begin + kChunkPixels - 1) / kChunkPixels; }
};

// Eight pixels of a stretch in the order of the route. Past its end stands its last pixel again.
struct Chunk {
  int32_t count;
  int32_t own_pixel;  // that of the lane's row
  int32_t pixels[kChunkPixels];

  // shared: eight numbers of the warp's memory, which no lane still reads.
  __device__ Chunk(const LineOrder &order, const Stretch &stretch, int32_t number,
                   const ChannelLane &lane, int32_t *shared) {
    const int32_t done = number * kChunkPixels;
    count = min(stretch.end - stretch.begin - done, kChunkPixels);
    const int32_t place = done + min(lane.row, count - 1);
    own_pixel = order.pixel(stretch.backward ? stretch.end - 1 - place : stretch.begin + place);
    if (lane.quad == 0) shared[lane.row] = own_pixel;
    __syncwarp();
#pragma unroll
    for (int j = 0; j < kChunkPixels; ++j) pixels[j] = shared[j];
  }
};

}  // namespace vmamba
