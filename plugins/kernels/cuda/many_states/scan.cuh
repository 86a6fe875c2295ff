// One warp's scan of a route for 32 channels with up to 16 states, a chunk at a time.
#pragma once

#include "cuda/many_states/projection.cuh"
#include "cuda/shared/softplus.cuh"

namespace vmamba {

// kLaneStates: of each of the two channels that a lane walks; a walk has twice as many.
template <typename T, int kLaneStates, bool kAligned>
class ChannelScan {
 public:
  static constexpr int kOwnStates = kLaneStates;
  static constexpr int kStates = 2 * kLaneStates;
  using States = float[kLaneStates][kWalkedChannels];

  // memory: the warp's part of the shared memory.
  __device__ ChannelScan(const ScanParams &params, const ChannelLane &lane, float *memory)
      : params_(params), lane_(lane), projection_(params, lane, memory), memory_(memory) {}

  // place: of the route. first: of the states that the walks take; past N they stay zero.
  __device__ void open(int64_t image, int32_t place, int32_t first) {
    __syncwarp();  // the lanes still at the walk before read its weights
    place_ = place;
    const int32_t route = params_.sorted.routes[place];
    first_state_ = first;
    const int64_t first_pixel = image * params_.length;
    x_ = static_cast<const T *>(params_.args.x) + route * params_.x_pitch +
         first_pixel * params_.channels + lane_.own();
    proj_ = static_cast<const T *>(params_.args.proj) + route * params_.features_pitch +
            first_pixel * params_.features + projection_.first_term();
    const int64_t row = static_cast<int64_t>(route) * params_.channels;
    const float *a = params_.args.a + row * params_.state +
                     static_cast<int64_t>(lane_state(0)) * params_.channels;
#pragma unroll
    for (int n = 0; n < kLaneStates; ++n, a += params_.channels) {
      const bool exists = lane_state(n) < params_.state;
      a_[n][0] = exists ? a[lane_.own()] : 0.0f;
      a_[n][1] = exists ? a[lane_.channel(lane_.neighbour())] : 0.0f;
    }
    bias_ = params_.args.dt_bias[row + lane_.own()] * kLog2E;
    projection_.stage(params_.args.dt_weight + row * params_.rank);
  }

  // The number of a state of the lane.
  __device__ int32_t lane_state(int n) const { return first_state_ + lane_.half * kLaneStates + n; }

  // Moves the states h over a segment whose sum of steps and whose end states from zero are known.
  __device__ void pass_segment(const float *sums, const float *ends, States &h) const {
    const int32_t places[kWalkedChannels] = {lane_.index, lane_.neighbour()};
#pragma unroll
    for (int i = 0; i < kWalkedChannels; ++i) {
      const float sum = sums[places[i]];
#pragma unroll
      for (int n = 0; n < kLaneStates; ++n) {
        const bool exists = lane_state(n) < params_.state;
        const float end = exists ? ends[lane_state(n) * kWarpChannels + places[i]] : 0.0f;
        h[n][i] = fmaf(exp2_approx(a_[n][i] * sum), h[n][i], end);
      }
    }
  }

  // Moves the states h over a stretch. merge: NoChannelMerge, or see ChannelMerge. sum collects
  // log2(1 + e^v) where nothing is merged.
  template <typename Merge>
  __device__ void walk(const Stretch &stretch, const Merge &merge, States &h, float &sum) const {
    const LineOrder &order = params_.orders[place_];
    int32_t *const pixels = reinterpret_cast<int32_t *>(memory_ + kStagedPixels);
    const int32_t chunks = stretch.chunks();
#pragma unroll 1
    for (int32_t number = 0; number < chunks; ++number) {
      __syncwarp();  // the lanes still at the chunk before read what is staged
      const Chunk chunk(order, stretch, number, lane_, pixels);
      walk_chunk(chunk, merge, h, sum);
    }
  }

 private:
  // Whether tensor cores project; else the products need the registers of what comes after them.
  static constexpr bool kTensors = kAligned && sizeof(T) < sizeof(float);

  // x and the map.
  template <typename Merge>
  __device__ void load(const Chunk &chunk, const Merge &merge, T (&x)[kChunkPixels],
                       ChunkValues &out) const {
#pragma unroll
    for (int j = 0; j < kChunkPixels; ++j) {
      x[j] = *row_of(x_, chunk.pixels[j], params_.x_row_bytes);
    }
    if constexpr (Merge::kMerges) merge.load_map(chunk, out);
  }

  // All that the chunk reads is asked for before any of it is waited for, as far as there are
  // registers.
  template <typename Merge>
  __device__ void walk_chunk(const Chunk &chunk, const Merge &merge, States &h, float &sum) const {
    T x[kChunkPixels];
    ChunkValues out, steps, inputs;
    if constexpr (kTensors) load(chunk, merge, x, out);
    stage_states(chunk);
    projection_.apply(chunk, proj_, steps);
    if constexpr (!kTensors) load(chunk, merge, x, out);
    __syncwarp();  // what other lanes have staged is read
    projection_.collect(steps);
#pragma unroll
    for (int j = 0; j < kChunkPixels; ++j) {
      const float step = softplus_log2<sizeof(T) == sizeof(float)>(fmaf(steps[j], kLog2E, bias_));
      steps[j] = j < chunk.count ? step : 0.0f;  // a step of zero leaves the states as they are
      inputs[j] = steps[j] * to_float(x[j]) * kLn2;
      if constexpr (!Merge::kMerges) sum += steps[j];
    }
    if constexpr (Merge::kMerges) merge.begin(x, out);
    const float *const staged = memory_ + kStagedStates + lane_.half * kLaneStates;
#pragma unroll
    for (int j = 0; j < kChunkPixels; ++j) {
      const PairValues both_steps = {steps[j], shuffle_from(steps[j], lane_.neighbour())};
      const PairValues both_inputs = {inputs[j], shuffle_from(inputs[j], lane_.neighbour())};
      advance(staged + j * kStatePitch, both_steps, both_inputs, h);
      if constexpr (Merge::kMerges) out[j] += read_out(staged + j * kStatePitch + kStates, h);
    }
    if constexpr (Merge::kMerges) merge.store(chunk, out);
  }

  __device__ void advance(const float *b, const PairValues &steps, const PairValues &inputs,
                          States &h) const {
#pragma unroll
    for (int n = 0; n < kLaneStates; n += 4) {
      float of_input[4];
      load_quad(b + n, of_input);
#pragma unroll
      for (int k = 0; k < 4; ++k) {
#pragma unroll
        for (int i = 0; i < kWalkedChannels; ++i) {
          const float decay = exp2_approx(a_[n + k][i] * steps[i]);
          h[n + k][i] = fmaf(decay, h[n + k][i], of_input[k] * inputs[i]);
        }
      }
    }
  }

  // Of the lane's own channel: its own half of the states, then its neighbour's.
  __device__ float read_out(const float *c, const States &h) const {
    PairValues sums = {0.0f, 0.0f};
#pragma unroll
    for (int n = 0; n < kLaneStates; n += 4) {
      float of_state[4];
      load_quad(c + n, of_state);
#pragma unroll
      for (int k = 0; k < 4; ++k) {
#pragma unroll
        for (int i = 0; i < kWalkedChannels; ++i) sums[i] = fmaf(of_state[k], h[n + k][i], sums[i]);
      }
    }
    return sums[0] + shuffle_from(sums[1], lane_.neighbour());
  }

  // Brings B and C of the chunk into the warp's shared memory, a pixel by four lanes: two take B,
  // two C.
  __device__ void stage_states(const Chunk &chunk) const {
    const int32_t begin = lane_.half * kLaneStates;
    const int32_t exist = params_.state - first_state_ - begin;
    const int32_t offset = params_.dt_features - projection_.first_term() +
                           lane_.quad / 2 * params_.state + first_state_ + begin;
    const T *const own = row_of(proj_, chunk.own_pixel, params_.proj_row_bytes) + offset;
    float *const to = memory_ + kStagedStates + lane_.row * kStatePitch + lane_.quad * kLaneStates;
    Pair<T> read[kLaneStates / 2];
#pragma unroll
    for (int n = 0; n < kLaneStates; n += 2) {
      Pair<T> &both = read[n / 2];
      both = {};
      if constexpr (kAligned) {
        if (n < exist) both = *reinterpret_cast<const Pair<T> *>(own + n);
      } else {
        if (n < exist) both.term[0] = own[n];
        if (n + 1 < exist) both.term[1] = own[n + 1];
      }
    }
#pragma unroll
    for (int n = 0; n < kLaneStates; n += 4) {
      const float quad[4] = {to_float(read[n / 2].term[0]), to_float(read[n / 2].term[1]),
                             to_float(read[n / 2 + 1].term[0]), to_float(read[n / 2 + 1].term[1])};
      store_quad(to + n, quad);
    }
  }

  const ScanParams &params_;
  const ChannelLane &lane_;
  ProjectionFor<T, kAligned, PlainChunkProjection, TensorChunkProjection<T>> projection_;
  float *const memory_;
  int32_t place_ = 0, first_state_ = 0;
  const T *x_ = nullptr;     // of pixel 0, the lane's own channel
  const T *proj_ = nullptr;  // of pixel 0, from the first term of the projection on
  float bias_ = 0.0f;
  States a_;
};

}  // namespace vmamba
