// One thread's scan of one chunk: one channel, up to kGroupStates states, a tile of pixels at a
// time.
#ifndef VMAMBA_KERNELS_CUDA_CHUNK_SCAN_CUH
#define VMAMBA_KERNELS_CUDA_CHUNK_SCAN_CUH

#include "cuda/element.cuh"
#include "cuda/route_walk.cuh"

namespace vmamba {

struct ChunkItem {
  int64_t image;
  int32_t route, chunk, group, channel;
};

// kStates is 1 for N = 1 and kGroupStates for every other N.
template <typename T, int kStates>
class ChunkScan {
  // Pixels whose deltas are computed together; fewer where the states fill the registers.
  static constexpr int32_t kTile = kStates == 1 ? kMaxTilePixels : kMaxTilePixels / 2;

 public:
  float h[kStates];

  __device__ ChunkScan(const ScanParams &params, const ChunkItem &item)
      : params_(params),
        item_(item),
        states_(kStates == 1 ? 1 : min(kStates, params.state - item.group * kStates)),
        features_(VMAMBA_ROUTES * (params.rank + 2 * params.state)) {
    const int64_t first_state =
        static_cast<int64_t>(item.route) * params.state + item.group * kGroupStates;
#pragma unroll
    for (int n = 0; n < kStates; ++n) {
      h[n] = 0.0f;
      a_[n] =
          n < states_ ? params.args.a[(first_state + n) * params.channels + item.channel] : 0.0f;
    }
    const int64_t first_pixel = item.image * params.length;
    x_ = static_cast<const T *>(params.args.x) + first_pixel * params.channels + item.channel;
    proj_ = static_cast<const T *>(params.args.proj) + first_pixel * features_ +
            item.route * (params.rank + 2 * params.state);
  }

  __device__ int32_t states() const { return states_; }

  // Calls visit(pixel, delta, u, c) after each step, in the route's order; h holds the new state
  // and c points to the group's C values.
  template <typename Visit>
  __device__ void run(Visit visit) {
    const int32_t begin = item_.chunk * params_.chunk_length;
    const int32_t end = min(begin + params_.chunk_length, params_.length);
    RouteWalk walk(params_, item_.route, item_.route < 2 ? begin : end - 1);
    for (int32_t done = begin; done < end; done += kTile) {
      const int32_t count = min(kTile, end - done);
      int32_t pixels[kTile];
#pragma unroll
      for (int j = 0; j < kTile; ++j) {
        pixels[j] = walk.pixel();
        if (j < count) walk.advance();
      }
      // A partial tile repeats a pixel so that its unused loads stay inside the map.
#pragma unroll
      for (int j = 1; j < kTile; ++j) {
        if (j >= count) pixels[j] = pixels[j - 1];
      }
      float deltas[kTile];
      compute_deltas(pixels, deltas);
#pragma unroll
      for (int j = 0; j < kTile; ++j) {
        if (j < count) visit(pixels[j], deltas[j], step(pixels[j], deltas[j]), c_values(pixels[j]));
      }
    }
  }

 private:
  __device__ const T *features(int32_t pixel) const {
    return proj_ + static_cast<int64_t>(pixel) * features_;
  }

  __device__ const T *c_values(int32_t pixel) const {
    return features(pixel) + params_.rank + params_.state + item_.group * kGroupStates;
  }

  // One load of each weight serves the whole tile.
  __device__ void compute_deltas(const int32_t *pixels, float *deltas) const {
    const int64_t route = item_.route;
    const float bias = params_.args.dt_bias[route * params_.channels + item_.channel];
    const float *weight =
        params_.args.dt_weight + route * params_.rank * params_.channels + item_.channel;
    const T *low_rank[kTile];
#pragma unroll
    for (int j = 0; j < kTile; ++j) {
      deltas[j] = bias;
      low_rank[j] = features(pixels[j]);
    }
#pragma unroll 1  // more would spill for nothing: the tile is the parallelism
    for (int32_t r = 0; r < params_.rank; ++r) {
      const float w = *weight;
      weight += params_.channels;
#pragma unroll
      for (int j = 0; j < kTile; ++j) {
        deltas[j] = fmaf(to_float(low_rank[j][r]), w, deltas[j]);
      }
    }
#pragma unroll
    for (int j = 0; j < kTile; ++j) deltas[j] = softplus(deltas[j]);
  }

  // Moves the states over one pixel; returns its x.
  __device__ float step(int32_t pixel, float delta) {
    const float u = to_float(x_[static_cast<int64_t>(pixel) * params_.channels]);
    const float input = delta * u;
    const T *b = features(pixel) + params_.rank + item_.group * kGroupStates;
#pragma unroll
    for (int n = 0; n < kStates; ++n) {
      if (n < states_) h[n] = fmaf(expf(delta * a_[n]), h[n], to_float(b[n]) * input);
    }
    return u;
  }

  const ScanParams &params_;
  const ChunkItem &item_;
  const int32_t states_;
  const int32_t features_;
  const T *x_;
  const T *proj_;
  float a_[kStates];
};

}  // namespace vmamba

#endif  // VMAMBA_KERNELS_CUDA_CHUNK_SCAN_CUH
