// Where a box's samples lie on its map, and what a pixel weighs in the mean of a bin's samples.
// Both directions are alike and separate: the weight of a pixel is that of its row times its
// column's.
//
// Positions and levels are decisions of the specification: each operation is rounded by itself.
#pragma once

#include "cuda/roi_align/params.h"
#include "cuda/shared/platform.cuh"

namespace vmamba {

struct Box {
  float x1, y1, x2, y2;  // in pixels of the network's input
};

// The map that serves a box; -1 for a box that has no features. A NaN is in no range.
__device__ inline int32_t level_of(const Box &box) {
  const float most = VMAMBA_ROI_ALIGN_MAX_BOX_SIDE;
  const float width = __fsub_rn(box.x2, box.x1), height = __fsub_rn(box.y2, box.y1);
  if (!(0.0f < width && width <= most && 0.0f < height && height <= most)) return -1;
  const float side = __fsqrt_rn(__fmul_rn(width, height));
  const float scale =
      __fadd_rn(__fdiv_rn(side, VMAMBA_ROI_ALIGN_CANONICAL_SIZE), VMAMBA_ROI_ALIGN_LEVEL_EPSILON);
  return (scale >= 2.0f) + (scale >= 4.0f) + (scale >= 8.0f);
}

// Neighbouring rows or columns of a map.
struct Pixels {
  int32_t first, end;
};

// One direction of a box on its map, in pixels of it.
class Axis {
 public:
  __device__ Axis(float low, float high, float stride, int32_t bins, int32_t size) : size_(size) {
    start_ = __fsub_rn(__fdiv_rn(low, stride), 0.5f);
    const float end = __fsub_rn(__fdiv_rn(high, stride), 0.5f);
    bin_ = __fdiv_rn(__fsub_rn(end, start_), static_cast<float>(bins));
    samples_ = static_cast<int32_t>(ceilf(bin_));
  }

  // What the samples of a bin touch, or those of bins first .. last: without gaps, for they lie at
  // most a pixel apart.
  __device__ Pixels touched(int32_t first, int32_t last) const {
    const float low = position(start_of(first), 0);
    const float high = position(start_of(last), samples_ - 1);
    const float end = static_cast<float>(size_ - 1);
    if (samples_ == 0 || high < -1.0f || low > static_cast<float>(size_)) return {0, 0};
    return {static_cast<int32_t>(clamp(low, end)),
            min(static_cast<int32_t>(clamp(high, end)) + 2, size_)};
  }

  // Of a pixel in the mean of a bin's samples; 0 where they do not touch it.
  __device__ float weight(int32_t bin, int32_t pixel) const {
    const float bin_start = start_of(bin), place = static_cast<float>(pixel);
    const float last = static_cast<float>(size_ - 1);
    // Samples that may touch it: they lie half a pixel apart or more, but where a bin has only one.
    // Some further ones at either end are left for what the division rounds.
    const float spacing = bin_ / static_cast<float>(samples_);
    const float near = (place - 1.0f - bin_start) / spacing - 2.0f;
    const int32_t first = static_cast<int32_t>(clamp(near, static_cast<float>(samples_)));
    float sum = 0.0f;
#pragma unroll 1
    for (int32_t sample = first; sample < min(first + kNear, samples_); ++sample) {
      const float at = position(bin_start, sample);
      if (at < -1.0f || at > static_cast<float>(size_)) continue;
      sum += max(0.0f, 1.0f - fabsf(clamp(at, last) - place));
    }
    return sum / static_cast<float>(samples_);
  }

 private:
  static constexpr int32_t kNear = 8;

  static __device__ float clamp(float at, float last) { return min(max(at, 0.0f), last); }

  __device__ float start_of(int32_t bin) const {
    return __fadd_rn(start_, __fmul_rn(static_cast<float>(bin), bin_));
  }
  __device__ float position(float bin_start, int32_t sample) const {
    const float middle = __fmul_rn(static_cast<float>(sample) + 0.5f, bin_);
    return __fadd_rn(bin_start, __fdiv_rn(middle, static_cast<float>(samples_)));
  }

  float start_, bin_;       // where the first bin begins, and the size of a bin
  int32_t samples_, size_;  // of a bin, and of the map
};

}  // namespace vmamba
