// The map in which the routes of a scan meet.
#pragma once

#include "cuda/many_states/chunk.cuh"

namespace vmamba {

// What the first walk over a pixel finds.
static __device__ const float nothing_yet = 0.0f;

struct NoChannelMerge {
  static constexpr bool kMerges = false;
};

// What a walk does with its results: adds them to the map in global memory, which is y itself where
// y is float32. The first walk over a pixel reads no map, the first one of a route brings the skip
// along, and the last one writes y.
template <typename T>
class ChannelMerge {
 public:
  static constexpr bool kMerges = true;

  __device__ ChannelMerge(const ScanParams &params, const ChannelLane &lane, int64_t image)
      : params_(params),
        lane_(lane),
        keeps_(lane.keeps()),
        first_pixel_(image * params.length * params.channels + lane.own()) {}

  // place: of the route; skips: whether the walk brings its skip.
  __device__ void open(int32_t place, bool skips) {
    const int64_t row = static_cast<int64_t>(params_.sorted.routes[place]) * params_.channels;
    skip_ = skips ? params_.args.d[row + lane_.own()] : 0.0f;
  }

  // first, last: of those over the pixels. The first one reads zeros instead of the map: a load
  // behind a branch would be waited for at its end.
  __device__ void set_walk(bool first, bool last) {
    writes_y_ = last && params_.rounds_output;
    read_ = first ? &nothing_yet : params_.map + first_pixel_;
    read_bytes_ = first ? 0 : params_.map_row_bytes;
  }

  __device__ void load_map(const Chunk &chunk, ChunkValues &out) const {
#pragma unroll
    for (int j = 0; j < kChunkPixels; ++j) out[j] = *row_of(read_, chunk.pixels[j], read_bytes_);
  }

  // Adds the skip to what is there.
  __device__ void begin(const T (&x)[kChunkPixels], ChunkValues &out) const {
#pragma unroll
    for (int j = 0; j < kChunkPixels; ++j) out[j] = fmaf(skip_, to_float(x[j]), out[j]);
  }

  __device__ void store(const Chunk &chunk, const ChunkValues &out) const {
    if (!keeps_) return;
    if (writes_y_) {
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
  const ChannelLane &lane_;
  const bool keeps_;
  const int64_t first_pixel_;  // the lane's channel of it
  const float *read_ = nullptr;
  uint32_t read_bytes_ = 0;
  float skip_ = 0.0f;
  bool writes_y_ = false;
};

}  // namespace vmamba
