// Which run and which channels of its warp's tile a thread has.
#pragma once

#include "cuda/one_state/shape.h"
#include "cuda/shared/element.cuh"
#include "cuda/shared/scan_params.h"

namespace vmamba {

using LaneValues = float[kLaneChannels];

// kAligned: four channels can be read and written at a time, so D is a multiple of four and of a
// thread's four channels all exist or none. Otherwise channels are read one by one. Channels past D
// are computed from D's last ones and never stored.
template <bool kAligned>
class Lane {
 public:
  const int32_t index;  // 0..31
  const int32_t run;    // 0..7
  const int32_t quad;   // 0..3

  __device__ Lane(const ScanParams &params, int32_t group)
      : index(static_cast<int32_t>(threadIdx.x) % kWarpLanes),
        run(index / 4),
        quad(index % 4),
        channels_(params.channels),
        group_first_(group * kGroupChannels),
        first_(group_first_ + quad * kLaneChannels) {}

  // The number of channel i of the thread: first_channel() + i where kAligned.
  __device__ int32_t channel(int i) const {
    return kAligned ? first_channel() + i : min(first_ + i, channels_ - 1);
  }

  __device__ int32_t first_channel() const { return min(first_, channels_ - kLaneChannels); }

  __device__ bool keeps(int i) const {
    return kAligned ? first_ < channels_ : first_ + i < channels_;
  }

  // The channel of column `run` of matrix product 0 or 1: its columns 2 q and 2 q + 1 are channels
  // 4 q + 2 product and the next, which the accumulators then give to quad q.
  __device__ int32_t column(int product) const {
    return min(group_first_ + run / 2 * kLaneChannels + 2 * product + run % 2, channels_ - 1);
  }

  // The thread's channels of one pixel, or of a row of D parameters.
  template <typename T>
  __device__ void load(const T *row, LaneValues &to) const {
    if constexpr (kAligned) {
      load_quad(row + first_channel(), to);
    } else {
#pragma unroll
      for (int i = 0; i < kLaneChannels; ++i) to[i] = to_float(row[channel(i)]);
    }
  }

  // Only where keeps(0).
  template <typename T>
  __device__ void store(T *row, const LaneValues &from) const {
    if constexpr (kAligned) {
      store_quad(row + first_channel(), from);
    } else {
#pragma unroll
      for (int i = 0; i < kLaneChannels; ++i) {
        if (keeps(i)) from_float(from[i], row + channel(i));
      }
    }
  }

 private:
  const int32_t channels_, group_first_, first_;
};

}  // namespace vmamba
