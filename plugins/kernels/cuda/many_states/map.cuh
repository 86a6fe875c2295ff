// The map in which the four routes of a scan meet where N > 1.
#pragma once

#include "cuda/many_states/chunk.cuh"

namespace vmamba {

struct NoChannelMerge {
  static constexpr bool kMerges = false;
};

// What a walk does with its results: adds them to the map in global memory, which is y itself where
// y is float32. The first walk over a pixel brings the skip along instead of reading the map, and
// the last one writes y.
template <typename T>
class ChannelMerge {
 public:
  static constexpr bool kMerges = true;

  __device__ ChannelMerge(const ScanParams &params, const ChannelLane &lane, int64_t image)
      : params_(params),
        keeps_(lane.keeps()),
        first_pixel_(image * params.length * params.channels + lane.own()) {
#pragma unroll
    for (int route = 0; route < VMAMBA_ROUTES; ++route) {
      skip_ += params.args.d[static_cast<int64_t>(route) * params.channels + lane.own()];
    }
  }

  // first, last: of those over the pixels. The first one reads anything instead of the map: a load
  // behind a branch would be waited for at its end.
  __device__ void set_walk(bool first, bool last) {
    is_first_ = first;
    is_last_ = last;
    read_ = first ? params_.args.d : params_.map + first_pixel_;
    read_bytes_ = first ? 0 : params_.map_row_bytes;
  }

  __device__ void load_map(const Chunk &chunk, ChunkValues &out) const {
#pragma unroll
    for (int j = 0; j < kChunkPixels; ++j) out[j] = *row_of(read_, chunk.pixels[j], read_bytes_);
  }

  // What the results are added to: the map, or the sum of the four routes' D, times x.
  __device__ void begin(const T (&x)[kChunkPixels], ChunkValues &out) const {
#pragma unroll
    for (int j = 0; j < kChunkPixels; ++j) out[j] = is_first_ ? skip_ * to_float(x[j]) : out[j];
  }

  __device__ void store(const Chunk &chunk, const ChunkValues &out) const {
    if (!keeps_) return;
    if (is_last_ && params_.rounds_output) {
      store_to(static_cast<T *>(params_.args.y), params_.y_row_bytes, chunk, out);
    } else {
      store_to(params_.map, params_.map_row_bytes, chunk, out);
    }
  }

 private:
  template <typename Out>
  __device__ void store_to(Out *to, uint32_t row_bytes, const Chunk &chunk,
                           const ChunkValues &out) const {
#pragma unroll
    for (int j = 0; j < kChunkPixels; ++j) {
      if (j < chunk.count)
        from_float(out[j], row_of(to + first_pixel_, chunk.pixels[j], row_bytes));
    }
  }

  const ScanParams &params_;
  const bool keeps_;
  const int64_t first_pixel_;  // the lane's channel of it
  const float *read_ = nullptr;
  uint32_t read_bytes_ = 0;
  float skip_ = 0.0f;
  bool is_first_ = false, is_last_ = false;
};

}  // namespace vmamba
