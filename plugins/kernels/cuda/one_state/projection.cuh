// v = dt . dt_weight + dt_bias for a tile, in units of log 2: on tensor cores for the half types.
#pragma once

#include "cuda/one_state/lane.cuh"
#include "cuda/shared/softplus.cuh"
#include "cuda/shared/tensor_weights.cuh"

namespace vmamba {

using LaneTile = float[kRunPixels][kLaneChannels];

// The bias of a lane's channels as the addends of two matrix products: 0 1 0 1 and 2 3 2 3.
using ProductBias = float[2][4];

// The terms one after the other. The weights of a warp's 16 channels lie in its shared memory as
// [R][16].
class PlainProjection {
 public:
  __device__ explicit PlainProjection(unsigned char *shared)
      : weights_(reinterpret_cast<float *>(shared)) {}

  // weight: the route's [R,D].
  template <typename LaneOf>
  __device__ void stage(const ScanParams &params, const LaneOf &lane, const float *weight) {
    for (int32_t r = lane.run; r < params.rank; r += kRuns) {
      LaneValues row;
      lane.load(weight + static_cast<int64_t>(r) * params.channels, row);
#pragma unroll
      for (int i = 0; i < kLaneChannels; ++i) row[i] *= kLog2E;
      store_quad(weights_ + r * kGroupChannels + lane.quad * kLaneChannels, row);
    }
    __syncwarp();
  }

  // features: the route's, of pixel 0; pixels: those of the lane's run.
  template <typename T, typename LaneOf>
  __device__ void apply(const ScanParams &params, const LaneOf &lane, const T *features,
                        const int32_t (&pixels)[kRunPixels], const ProductBias &bias,
                        LaneTile &v) const {
    const T *rows[kRunPixels];
#pragma unroll
    for (int j = 0; j < kRunPixels; ++j) {
      rows[j] = row_of(features, pixels[j], params.proj_row_bytes);
#pragma unroll
      for (int i = 0; i < kLaneChannels; ++i) v[j][i] = bias[i / 2][i % 2];
    }
#pragma unroll 2
    for (int32_t r = 0; r < params.rank; ++r) {
      LaneValues weight;
      load_quad(weights_ + r * kGroupChannels + lane.quad * kLaneChannels, weight);
#pragma unroll
      for (int j = 0; j < kRunPixels; ++j) {
        const float term = to_float(rows[j][r]);
#pragma unroll
        for (int i = 0; i < kLaneChannels; ++i) v[j][i] = fmaf(term, weight[i], v[j][i]);
      }
    }
  }

 private:
  float *weights_;
};

// 16 terms at a time as a matrix product; R must be even and two features readable at a time. A
// weight enters in parts: see split_weights.
template <typename T>
class TensorProjection {
  // Of two products of 8 columns, each two registers of two terms.
  struct alignas(16) Fragment {
    uint32_t product[2][2];
  };
  static constexpr int32_t kTerms = 16;
  static constexpr int32_t kRowProducts = (kRunPixels + 1) / 2;
  static constexpr int kParts = kWeightParts<T>;
  using Accumulators = float[kRowProducts][2][4];

 public:
  __device__ explicit TensorProjection(unsigned char *shared)
      : weights_(reinterpret_cast<Fragment *>(shared)) {}

  // A lane writes just what it will itself read, so there is nothing to wait for.
  template <typename LaneOf>
  __device__ void stage(const ScanParams &params, const LaneOf &lane, const float *weight) {
    for (int32_t term = 0; term < params.rank; term += kTerms) {
      Fragment parts[kParts];
#pragma unroll
      for (int i = 0; i < 4; ++i) {
        const int product = i / 2, half = i % 2;
        const int32_t r = term + 8 * half + 2 * lane.quad;
        const float *row =
            weight + static_cast<int64_t>(r) * params.channels + lane.column(product);
        const bool exists = r < params.rank;  // and so does r + 1
        const float first = exists ? *row : 0.0f;
        const float second = exists ? row[params.channels] : 0.0f;
        uint32_t words[kParts];
        split_weights<T>(first * kLog2E, second * kLog2E, words);
#pragma unroll
        for (int p = 0; p < kParts; ++p) parts[p].product[product][half] = words[p];
      }
#pragma unroll
      for (int p = 0; p < kParts; ++p) fragment(term, lane.index)[p * kWarpLanes] = parts[p];
    }
  }

  template <typename LaneOf>
  __device__ void apply(const ScanParams &params, const LaneOf &lane, const T *features,
                        const int32_t (&pixels)[kRunPixels], const ProductBias &bias,
                        LaneTile &v) const {
    Accumulators acc;
    const T *const own = features + 2 * lane.quad;
    // The first product takes the bias as its addend, which spares a copy of it per accumulator.
    if (params.rank <= kTerms / 2) {
      add_terms<1, true>(params, lane, own, pixels, 0, bias, acc);
    } else {
      add_terms<2, true>(params, lane, own, pixels, 0, bias, acc);
      int32_t term = kTerms;
#pragma unroll 1
      for (; term + kTerms / 2 < params.rank; term += kTerms) {
        add_terms<2, false>(params, lane, own + term, pixels, term, bias, acc);
      }
      if (term < params.rank)
        add_terms<1, false>(params, lane, own + term, pixels, term, bias, acc);
    }
#pragma unroll
    for (int j = 0; j < kRunPixels; ++j) {
#pragma unroll
      for (int i = 0; i < kLaneChannels; ++i) v[j][i] = acc[j / 2][i / 2][j % 2 * 2 + i % 2];
    }
  }

 private:
  __device__ Fragment *fragment(int32_t term, int32_t lane) const {
    return weights_ + term / kTerms * kParts * kWarpLanes + lane;
  }

  // kHalves: of 8 terms each. What lies past R is another feature and counts as zero.
  template <int kHalves, bool kFirst, typename LaneOf>
  __device__ void add_terms(const ScanParams &params, const LaneOf &lane, const T *own,
                            const int32_t (&pixels)[kRunPixels], int32_t term,
                            const ProductBias &bias, Accumulators &acc) const {
    uint32_t words[2 * kRowProducts][kHalves];
    const int32_t left = params.rank - term - 2 * lane.quad;
#pragma unroll
    for (int j = 0; j < 2 * kRowProducts; ++j) {
      const T *const row = row_of(own, pixels[j < kRunPixels ? j : 0], params.proj_row_bytes);
#pragma unroll
      for (int half = 0; half < kHalves; ++half) {
        const bool exists = j < kRunPixels && 8 * half < left;
        words[j][half] = exists ? *reinterpret_cast<const uint32_t *>(row + 8 * half) : 0u;
      }
    }
    Fragment parts[kParts];
#pragma unroll
    for (int p = 0; p < kParts; ++p) parts[p] = fragment(term, lane.index)[p * kWarpLanes];
#pragma unroll
    for (int m = 0; m < kRowProducts; ++m) {
#pragma unroll
      for (int product = 0; product < 2; ++product) {
        float before[4];
#pragma unroll
        for (int i = 0; i < 4; ++i) before[i] = kFirst ? bias[product][i] : acc[m][product][i];
        if constexpr (kHalves == 2) {
          const uint32_t rows[4] = {words[2 * m][0], words[2 * m + 1][0], words[2 * m][1],
                                    words[2 * m + 1][1]};
          mma_k16(acc[m][product], rows, parts[0].product[product], before, T{});
#pragma unroll
          for (int p = 1; p < kParts; ++p) {
            mma_k16(acc[m][product], rows, parts[p].product[product], acc[m][product], T{});
          }
        } else {
          const uint32_t rows[2] = {words[2 * m][0], words[2 * m + 1][0]};
          mma_k8(acc[m][product], rows, parts[0].product[product][0], before, T{});
#pragma unroll
          for (int p = 1; p < kParts; ++p) {
            mma_k8(acc[m][product], rows, parts[p].product[product][0], acc[m][product], T{});
          }
        }
      }
    }
  }

  Fragment *weights_;
};

}  // namespace vmamba
