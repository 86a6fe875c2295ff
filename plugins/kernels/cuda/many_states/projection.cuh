// dt . dt_weight for a chunk, one channel a lane: on tensor cores for the half types.
#pragma once

#include "cuda/many_states/chunk.cuh"
#include "cuda/shared/tensor_weights.cuh"

namespace vmamba {

// The terms one after the other, the weights from the L1 cache. Of a step for each channel it is
// one term, and each lane's is another one.
class PlainChunkProjection {
 public:
  __device__ PlainChunkProjection(const ScanParams &params, const ChannelLane &lane, float *)
      : params_(params), lane_(lane) {}

  // Among the features of a pixel.
  __device__ int32_t first_term() const { return params_.channel_steps ? lane_.own() : 0; }

  // weight: the route's [R,D].
  __device__ void stage(const float *weight) { weight_ = weight + lane_.own(); }

  // features: the route's, of pixel 0 from the first term on. v is what collect finds once all
  // lanes have met.
  template <typename T>
  __device__ void apply(const Chunk &chunk, const T *features, ChunkValues &v) const {
    const T *rows[kChunkPixels];
#pragma unroll
    for (int j = 0; j < kChunkPixels; ++j) {
      rows[j] = row_of(features, chunk.pixels[j], params_.proj_row_bytes);
      v[j] = 0.0f;
    }
    const float *weight = weight_;
#pragma unroll 1
    for (int32_t r = 0; r < params_.rank; ++r, weight += params_.channels) {
      const float own = *weight;
#pragma unroll
      for (int j = 0; j < kChunkPixels; ++j) v[j] = fmaf(to_float(rows[j][r]), own, v[j]);
    }
  }
  __device__ void collect(ChunkValues &) const {}

 private:
  const ScanParams &params_;
  const ChannelLane &lane_;
  const float *weight_ = nullptr;
};

// 16 terms at a time as a matrix product, channels by pixels; R must be even and two features
// readable at a time. A weight enters in parts: see split_weights.
template <typename T>
class TensorChunkProjection {
  static constexpr int32_t kTerms = 16;
  static constexpr int kHalves = 2;  // of the terms: 8 each
  static constexpr int kRowProducts = kWarpChannels / 16;
  static constexpr int kParts = kWeightParts<T>;
  using Accumulators = float[kRowProducts][4];
  struct alignas(16) Fragment {
    uint32_t words[4];
  };

 public:
  __device__ TensorChunkProjection(const ScanParams &params, const ChannelLane &lane, float *memory)
      : params_(params),
        lane_(lane),
        steps_(memory),
        weights_(reinterpret_cast<Fragment *>(memory + kStagedWeights)) {}

  __device__ int32_t first_term() const { return 0; }

  // A lane writes just what it will itself read, so there is nothing to wait for.
  __device__ void stage(const float *weight) {
    for (int32_t term = 0; term < params_.rank; term += kTerms) {
#pragma unroll
      for (int m = 0; m < kRowProducts; ++m) {
        Fragment parts[kParts];
#pragma unroll
        for (int i = 0; i < 4; ++i) {
          const int32_t r = term + 8 * (i / 2) + 2 * lane_.quad;
          const bool exists = r < params_.rank;  // and so does r + 1
          const float *own = weight + static_cast<int64_t>(r) * params_.channels +
                             lane_.channel(16 * m + 8 * (i % 2) + lane_.row);
          const float first = exists ? own[0] : 0.0f;
          const float second = exists ? own[params_.channels] : 0.0f;
          uint32_t words[kParts];
          split_weights<T>(first, second, words);
#pragma unroll
          for (int p = 0; p < kParts; ++p) parts[p].words[i] = words[p];
        }
#pragma unroll
        for (int p = 0; p < kParts; ++p) fragments(term, m)[p * kWarpLanes] = parts[p];
      }
    }
  }

  __device__ void apply(const Chunk &chunk, const T *features, ChunkValues &) const {
    const T *const own = row_of(features, chunk.own_pixel, params_.proj_row_bytes) + 2 * lane_.quad;
    uint32_t first[kHalves], second[kHalves];
    load_terms(own, 0, first);
    load_terms(own, kTerms, second);
    Accumulators acc = {};
    add_terms(0, first, acc);
    if (params_.rank > kTerms) add_terms(kTerms, second, acc);
#pragma unroll 1
    for (int32_t term = 2 * kTerms; term < params_.rank; term += kTerms) {
      load_terms(own, term, first);
      add_terms(term, first, acc);
    }
    // From the accumulators' rows, channels, to the lanes that own them.
#pragma unroll
    for (int m = 0; m < kRowProducts; ++m) {
#pragma unroll
      for (int i = 0; i < 2; ++i) {
        float *const to = steps_ + (16 * m + 8 * i + lane_.row) * kStepPitch + 2 * lane_.quad;
        *reinterpret_cast<Pair<float> *>(to) = {{acc[m][2 * i], acc[m][2 * i + 1]}};
      }
    }
  }

  __device__ void collect(ChunkValues &v) const {
    const float *const from = steps_ + lane_.index * kStepPitch;
#pragma unroll
    for (int j = 0; j < kChunkPixels; j += 4) {
      float quad[4];
      load_quad(from + j, quad);
#pragma unroll
      for (int i = 0; i < 4; ++i) v[j + i] = quad[i];
    }
  }

 private:
  // own: of the lane's pixel, and in it the lane's first term. What lies past R counts as zero.
  __device__ void load_terms(const T *own, int32_t term, uint32_t (&words)[kHalves]) const {
#pragma unroll
    for (int half = 0; half < kHalves; ++half) {
      const int32_t r = term + 8 * half;
      const bool exists = r + 2 * lane_.quad < params_.rank;
      words[half] = exists ? *reinterpret_cast<const uint32_t *>(own + r) : 0u;
    }
  }

  __device__ void add_terms(int32_t term, const uint32_t (&words)[kHalves],
                            Accumulators &acc) const {
#pragma unroll
    for (int m = 0; m < kRowProducts; ++m) {
      Fragment parts[kParts];
#pragma unroll
      for (int p = 0; p < kParts; ++p) parts[p] = fragments(term, m)[p * kWarpLanes];
#pragma unroll
      for (int p = 0; p < kParts; ++p) mma_k16(acc[m], parts[p].words, words, acc[m], T{});
    }
  }

  __device__ Fragment *fragments(int32_t term, int m) const {
    return weights_ + (term / kTerms * kRowProducts + m) * kParts * kWarpLanes + lane_.index;
  }

  const ScanParams &params_;
  const ChannelLane &lane_;
  float *const steps_;
  Fragment *const weights_;
};

}  // namespace vmamba
