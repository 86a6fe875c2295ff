// The map in which the four routes of a scan meet where N = 1.
#pragma once

#include "cuda/one_state/scan.cuh"

namespace vmamba {

// A lane's part of a tensor [L,D] of one image, its rows `row_bytes` apart.
template <typename T, bool kAligned>
struct GlobalRows {
  const Lane<kAligned> &lane;
  T *first;
  uint32_t row_bytes;

  __device__ void load(const Run &run, int j, LaneValues &to) const {
    lane.load(row_of(first, run.pixels[j], row_bytes), to);
  }
  __device__ void store(const Run &run, int j, const LaneValues &from) const {
    lane.store(row_of(first, run.pixels[j], row_bytes), from);
  }
};

// A scan's map in shared memory, [slots,16]. Every slot is whole: channels past D have a place too.
struct SharedSlots {
  float *own;

  __device__ void load(const Run &run, int j, LaneValues &to) const {
    load_quad(own + run.slots[j] * kGroupChannels, to);
  }
  __device__ void store(const Run &run, int j, const LaneValues &from) const {
    store_quad(own + run.slots[j] * kGroupChannels, from);
  }
};

// The map is in shared memory, that of a whole image or of a segment, or in global memory where the
// former is too large and the latter would cost more. A segment's map goes through global memory
// from the pass over the rows to that over the columns, for which it changes its shape.
template <typename T, bool kAligned>
class Merge {
 public:
  static constexpr bool kMerges = true;

  __device__ Merge(const ScanParams &params, const Lane<kAligned> &lane, int64_t image,
                   float *shared_map)
      : params_(params),
        lane_(lane),
        first_(image * params.length * params.channels),
        shared_{shared_map + lane.quad * kLaneChannels} {}

  // pass: 0 over the rows, 1 over the columns. first: of its two routes, this one comes to the tile
  // before the other. meets: with it the second visits begin, for which the first ones of all the
  // block's warps must be over.
  __device__ void begin_tile(int32_t pass, bool first, bool meets) {
    pass_ = pass;
    is_first_ = first;
    meets_ = meets;
  }

  // What a tile's results are added to. The first of all visits brings the skip along instead of
  // reading the map.
  __device__ void load(const Run &run, LaneTile &out) const {
    if (meets_) __syncthreads();
    if (pass_ == 0 && is_first_) {
      load_skip(run, out);
    } else if (params_.plan.global_map || (cut() && pass_ == 1 && is_first_)) {
      load_from(run, global(), out);
    } else {
      load_from(run, shared_, out);
    }
  }

  // The last of all visits writes y instead of the map.
  __device__ void store(const Run &run, const LaneTile &out) const {
    if (pass_ == 1 && !is_first_) {
      if (params_.rounds_output) {
        store_to(run, y<T>(), out);
      } else {
        store_to(run, y<float>(), out);
      }
    } else if (params_.plan.global_map || (cut() && pass_ == 0 && !is_first_)) {
      store_to(run, global(), out);
    } else {
      store_to(run, shared_, out);
    }
  }

 private:
  __device__ bool cut() const { return params_.plan.segments > 1; }

  // Past the end of the map lies a slot for every run, and pixel 0 of global memory will do to
  // read.
  template <typename From>
  __device__ void load_from(const Run &run, const From &from, LaneTile &out) const {
#pragma unroll
    for (int j = 0; j < kRunPixels; ++j) from.load(run, j, out[j]);
  }

  __device__ void store_to(const Run &run, const SharedSlots &to, const LaneTile &out) const {
#pragma unroll
    for (int j = 0; j < kRunPixels; ++j) to.store(run, j, out[j]);
  }

  template <typename Out>
  __device__ void store_to(const Run &run, const GlobalRows<Out, kAligned> &to,
                           const LaneTile &out) const {
    if (!lane_.keeps(0)) return;
    if (run.whole) {
#pragma unroll
      for (int j = 0; j < kRunPixels; ++j) to.store(run, j, out[j]);
    } else {
#pragma unroll
      for (int j = 0; j < kRunPixels; ++j) {
        if (run.position(j) < params_.length) to.store(run, j, out[j]);
      }
    }
  }

  __device__ GlobalRows<float, kAligned> global() const {
    return {lane_, params_.map + first_, params_.map_row_bytes};
  }

  template <typename Out>
  __device__ GlobalRows<Out, kAligned> y() const {
    return {lane_, static_cast<Out *>(params_.args.y) + first_, params_.y_row_bytes};
  }

  // The sum of the four routes' D, times x.
  __device__ void load_skip(const Run &run, LaneTile &out) const {
    LaneValues skip;
    load_d(skip);
    const GlobalRows<const T, kAligned> x{lane_, static_cast<const T *>(params_.args.x) + first_,
                                          params_.x_row_bytes};
    load_from(run, x, out);
#pragma unroll
    for (int j = 0; j < kRunPixels; ++j) {
#pragma unroll
      for (int i = 0; i < kLaneChannels; ++i) out[j][i] *= skip[i];
    }
  }

  __device__ void load_d(LaneValues &skip) const {
    lane_.load(params_.args.d, skip);
#pragma unroll
    for (int route = 1; route < VMAMBA_MOST_ROUTES; ++route) {
      LaneValues d;
      lane_.load(params_.args.d + static_cast<int64_t>(route) * params_.channels, d);
#pragma unroll
      for (int i = 0; i < kLaneChannels; ++i) skip[i] += d[i];
    }
  }

  const ScanParams &params_;
  const Lane<kAligned> &lane_;
  const int64_t first_;
  const SharedSlots shared_;
  int32_t pass_ = 0;
  bool is_first_ = false, meets_ = false;
};

}  // namespace vmamba
