// One warp's scan of a route for one group of 16 channels where N = 1, a tile at a time.
#pragma once

#include "cuda/one_state/projection.cuh"
#include "cuda/one_state/run.cuh"
#include "cuda/one_state/run_scan.cuh"

namespace vmamba {

struct NoMerge {
  static constexpr bool kMerges = false;
};

template <typename T, bool kAligned>
class RouteScan {
 public:
  // memory: the warp's part of the shared memory; carry: 16 floats for all warps of the route.
  __device__ RouteScan(const ScanParams &params, const Lane<kAligned> &lane, unsigned char *memory,
                       unsigned char *carry)
      : params_(params),
        lane_(lane),
        projection_(memory),
        bias_(reinterpret_cast<float *>(memory + params.plan.shared.bias)),
        carry_(reinterpret_cast<float *>(carry)) {}

  __device__ float *carry() const { return carry_; }  // [16]
  __device__ const LaneValues &decay_rates() const { return a_; }
  __device__ const Lane<kAligned> &lane() const { return lane_; }

  __device__ void open(int64_t image, int32_t route) {
    route_ = route;
    const int64_t first_pixel = image * params_.length;
    const int32_t route_features = params_.rank + 2;
    x_ = static_cast<const T *>(params_.args.x) + first_pixel * params_.channels +
         (kAligned ? lane_.first_channel() : 0);
    proj_ = static_cast<const T *>(params_.args.proj) + first_pixel * params_.features +
            route * route_features;
    const int64_t row = static_cast<int64_t>(route) * params_.channels;
    // Asked for before the weights, so that all are on their way together.
    LaneValues bias;
    lane_.load(params_.args.dt_bias + row, bias);
    lane_.load(params_.args.a + row, a_);
    __syncwarp();  // the lanes still at the route before read its weights
    projection_.stage(params_, lane_, params_.args.dt_weight + row * params_.rank);
    stage_bias(bias);
  }

  __device__ Run run(int32_t tile) const { return run_of(params_, lane_.run, route_, tile); }

  // x of the run's pixels.
  __device__ void load_x(const Run &run, Quad<T> (&x)[kRunPixels]) const {
#pragma unroll
    for (int j = 0; j < kRunPixels; ++j) {
      const T *const row = row_of(x_, run.pixels[j], params_.x_row_bytes);
      if constexpr (kAligned) {
        x[j] = *reinterpret_cast<const Quad<T> *>(row);
      } else {
#pragma unroll
        for (int i = 0; i < kLaneChannels; ++i) x[j].channel[i] = row[lane_.channel(i)];
      }
    }
  }

  // Moves the carry over a tile. merge: NoMerge, or see Merge in map.cuh. sums collects
  // log2(1 + e^v) where nothing is merged.
  // open_route: see find_start.
  template <typename Link, typename Merge, typename OpenRoute>
  __device__ void scan(const Run &run, const Link &link, LaneValues &sums, const Merge &merge,
                       const OpenRoute &open_route) {
    // All that the tile reads is asked for before any of it is waited for, but for what comes one
    // by one: it would take the registers of the steps.
    Quad<T> x[kRunPixels];
    Pair<T> both[kRunPixels];  // B and C
    if constexpr (kAligned) load_x(run, x);
    if constexpr (kAligned) load_state(run, both);
    LaneTile inputs, steps;  // softplus(v) x and softplus(v), over log 2
    LaneValues run_sums;
    find_steps(run, steps, run_sums);
    if constexpr (!kAligned) load_x(run, x);
    if constexpr (!kAligned) load_state(run, both);
#pragma unroll
    for (int j = 0; j < kRunPixels; ++j) {
#pragma unroll
      for (int i = 0; i < kLaneChannels; ++i) {
        inputs[j][i] = to_float(x[j].channel[i]) * steps[j][i];
      }
    }
    if (!run.whole) clear_past_end(run, inputs);
    if constexpr (!Merge::kMerges) {
#pragma unroll
      for (int i = 0; i < kLaneChannels; ++i) sums[i] += run_sums[i];
    }
    scan_state(run, link, both, steps, inputs, run_sums, merge, open_route);
  }

 private:
  // In shared memory, from where it comes as the matrix products want it: in registers it would be
  // copied for each of them.
  __device__ void stage_bias(const LaneValues &own) {
    if (lane_.run == 0) {
#pragma unroll
      for (int i = 0; i < 8; ++i) bias_[8 * lane_.quad + i] = own[i / 4 * 2 + i % 2] * kLog2E;
    }
    __syncwarp();
  }

  __device__ void find_steps(const Run &run, LaneTile &steps, LaneValues &run_sums) const {
    ProductBias bias;
    load_quad(bias_ + 8 * lane_.quad, bias[0]);
    load_quad(bias_ + 8 * lane_.quad + 4, bias[1]);
    projection_.apply(params_, lane_, proj_, run.pixels, bias, steps);
#pragma unroll
    for (int j = 0; j < kRunPixels; ++j) {
#pragma unroll
      for (int i = 0; i < kLaneChannels; ++i) {
        steps[j][i] = softplus_log2<sizeof(T) == sizeof(float)>(steps[j][i]);
      }
    }
    if (!run.whole) clear_past_end(run, steps);
#pragma unroll
    for (int i = 0; i < kLaneChannels; ++i) run_sums[i] = steps[0][i];
#pragma unroll
    for (int j = 1; j < kRunPixels; ++j) {
#pragma unroll
      for (int i = 0; i < kLaneChannels; ++i) run_sums[i] += steps[j][i];
    }
  }

  // A step of zero leaves the state as it is.
  __device__ void clear_past_end(const Run &run, LaneTile &tile) const {
#pragma unroll
    for (int j = 0; j < kRunPixels; ++j) {
      if (run.position(j) >= params_.length) {
#pragma unroll
        for (int i = 0; i < kLaneChannels; ++i) tile[j][i] = 0.0f;
      }
    }
  }

  __device__ void load_state(const Run &run, Pair<T> (&both)[kRunPixels]) const {
#pragma unroll
    for (int j = 0; j < kRunPixels; ++j) {
      const T *const at = row_of(proj_ + params_.rank, run.pixels[j], params_.state_row_bytes);
      if constexpr (kAligned) {
        both[j] = *reinterpret_cast<const Pair<T> *>(at);
      } else {
        both[j].term[0] = at[0];
        both[j].term[1] = at[1];
      }
    }
  }

  template <typename Link, typename Merge, typename OpenRoute>
  __device__ void scan_state(const Run &run, const Link &link, const Pair<T> (&both)[kRunPixels],
                             LaneTile &steps, LaneTile &inputs, const LaneValues &run_sums,
                             const Merge &merge, const OpenRoute &open_route) const {
    float b[kRunPixels];
#pragma unroll
    for (int j = 0; j < kRunPixels; ++j) b[j] = to_float(both[j].term[0]) * kLn2;
    if (!run.whole) {
#pragma unroll
      for (int j = 0; j < kRunPixels; ++j) {
        if (run.position(j) >= params_.length) b[j] = 0.0f;
      }
    }
#pragma unroll
    for (int j = 0; j < kRunPixels; ++j) {
#pragma unroll
      for (int i = 0; i < kLaneChannels; ++i) inputs[j][i] *= b[j];
    }
    // The run from h = 0, then from the state in which it truly begins. The decays take the place
    // of the steps.
    LaneValues decay, state, h;
#pragma unroll
    for (int i = 0; i < kLaneChannels; ++i) {
      decay[i] = exp2_approx(a_[i] * run_sums[i]);
      state[i] = inputs[0][i];
      steps[0][i] = exp2_approx(a_[i] * steps[0][i]);
    }
#pragma unroll
    for (int j = 1; j < kRunPixels; ++j) {
#pragma unroll
      for (int i = 0; i < kLaneChannels; ++i) {
        steps[j][i] = exp2_approx(a_[i] * steps[j][i]);
        state[i] = fmaf(steps[j][i], state[i], inputs[j][i]);
      }
    }
    find_start(lane_.run, link, open_route, carry_ + lane_.quad * kLaneChannels, decay, state, h);
    if constexpr (Merge::kMerges) {
      LaneTile out;
      merge.load(run, out);
#pragma unroll
      for (int j = 0; j < kRunPixels; ++j) {
#pragma unroll
        for (int i = 0; i < kLaneChannels; ++i) {
          h[i] = fmaf(steps[j][i], h[i], inputs[j][i]);
          out[j][i] = fmaf(to_float(both[j].term[1]), h[i], out[j][i]);
        }
      }
      merge.store(run, out);
    }
  }

  const ScanParams &params_;
  const Lane<kAligned> &lane_;
  ProjectionFor<T, kAligned, PlainProjection, TensorProjection<T>> projection_;
  float *const bias_;  // [4 quads,8]
  float *const carry_;
  int32_t route_ = 0;
  const T *x_ = nullptr;  // of pixel 0; with kAligned of the thread's first channel
  const T *proj_ = nullptr;
  LaneValues a_;
};

}  // namespace vmamba
