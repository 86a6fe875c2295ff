// The functions of cuda/shared/warp_ops.cuh on the host.
#ifndef VMAMBA_TESTS_EMULATION_WARP_EMULATION_H
#define VMAMBA_TESTS_EMULATION_WARP_EMULATION_H

#include <algorithm>
#include <cstdint>

#include "block_run.h"
#include "cuda_builtins.h"

// 0 builds the kernels as for a GPU without them.
#ifndef VMAMBA_TENSOR_CORES
#define VMAMBA_TENSOR_CORES 1
#endif

namespace vmamba {
namespace emulation {

inline thread_local unsigned char *block_memory = nullptr;

inline int own_lane() { return static_cast<int>(threadIdx.x) % kLanes; }

inline const BlockRun::Words *exchange(const char *operation, float value) {
  const uint32_t word = bits_as<uint32_t>(value);
  return BlockRun::current()->exchange(operation, &word, 1);
}

// Term 2 k or 2 k + 1 of a word of two.
inline double term(uint32_t word, int half, __half) {
  return __half2float(__ushort_as_half(static_cast<uint16_t>(word >> 16 * half)));
}
inline double term(uint32_t word, int half, __nv_bfloat16) {
  return __bfloat162float(__ushort_as_bfloat16(static_cast<uint16_t>(word >> 16 * half)));
}

// Tensor cores may cut off what does not fit a float, and so does this.
inline float toward_zero(double value) {
  const float nearest = static_cast<float>(value);
  return std::fabs(static_cast<double>(nearest)) > std::fabs(value) ? std::nextafterf(nearest, 0)
                                                                    : nearest;
}

// PTX mma.sync.m16n8k(8 kHalves): lane 4 g + q holds, of A, rows g and g + 8 (words 0 and 1 of each
// half), of B, column g, in both the terms 2 q, 2 q + 1 of each half, and, of D, columns 2 q and
// 2 q + 1 of rows g and g + 8.
template <int kHalves, typename T>
void multiply(float (&d)[4], const uint32_t (&a)[2 * kHalves], const uint32_t (&b)[kHalves],
              const float (&c)[4], T type) {
  uint32_t own[3 * kHalves];
  std::copy(a, a + 2 * kHalves, own);
  std::copy(b, b + kHalves, own + 2 * kHalves);
  const auto *const words =
      BlockRun::current()->exchange(kHalves == 2 ? "mma_k16" : "mma_k8", own, 3 * kHalves);
  const int row = own_lane() / 4, column = own_lane() % 4 * 2;
  for (int i = 0; i < 4; ++i) {
    double sum = c[i];
    for (int k = 0; k < 8 * kHalves; ++k) {
      const int half = k / 8, holder = k % 8 / 2;
      const uint32_t a_word = words[4 * row + holder][2 * half + i / 2];
      const uint32_t b_word = words[4 * (column + i % 2) + holder][2 * kHalves + half];
      sum += term(a_word, k % 2, type) * term(b_word, k % 2, type);
    }
    d[i] = toward_zero(sum);
  }
}

}  // namespace emulation

// As wrong as the hardware may be: off by up to two units in the last place, either way.
inline float exp2_approx(float x) {
  const float exact = static_cast<float>(std::exp2(static_cast<double>(x)));
  if (x == 0.0f || std::isnan(exact) || std::isinf(exact)) return exact;
  const uint32_t hash = bits_as<uint32_t>(x) * 2654435761u >> 29;
  const float wrong = bits_as<float>(bits_as<uint32_t>(exact) + hash % 5 - 2);
  return exact < 1.1754945e-38f ? 0.0f : wrong;
}

inline float shuffle_up(float value, int lanes) {
  const auto *const words = emulation::exchange("shuffle_up", value);
  const int lane = emulation::own_lane();
  return bits_as<float>(words[lane < lanes ? lane : lane - lanes][0]);
}

inline float shuffle_from(float value, int lane) {
  return bits_as<float>(emulation::exchange("shuffle_from", value)[lane % emulation::kLanes][0]);
}

inline void multiply_where(bool on, float &value, float factor) {
  if (on) value *= factor;
}

inline void add_product_where(bool on, float &value, float a, float b) {
  if (on) value = std::fma(a, b, value);
}

// On a GPU, too, a number out of the range ends at one of its ends: a wait that shows.
template <int kFirst, int kLast>
void pair_arrive(int barrier) {
  emulation::BlockRun::current()->arrive(std::clamp(barrier, kFirst, kLast), 2 * emulation::kLanes);
}
template <int kFirst, int kLast>
void pair_wait(int barrier) {
  emulation::BlockRun::current()->wait(std::clamp(barrier, kFirst, kLast), 2 * emulation::kLanes);
}
inline void __syncthreads() {
  emulation::BlockRun *const block = emulation::BlockRun::current();
  block->wait(0, block->threads());
}
inline void __syncwarp() { emulation::BlockRun::current()->exchange("__syncwarp", nullptr, 0); }

// Launches follow each other whole.
inline void let_next_launch_begin() {}
inline void await_launch_before() {}

#if VMAMBA_TENSOR_CORES
template <typename T>
void mma_k16(float (&d)[4], const uint32_t (&a)[4], const uint32_t (&b)[2], const float (&c)[4],
             T type) {
  emulation::multiply<2>(d, a, b, c, type);
}

template <typename T>
void mma_k8(float (&d)[4], const uint32_t (&a)[2], uint32_t b, const float (&c)[4], T type) {
  const uint32_t words[1] = {b};
  emulation::multiply<1>(d, a, words, c, type);
}
#endif

inline unsigned char *dynamic_shared() { return emulation::block_memory; }

}  // namespace vmamba

#endif  // VMAMBA_TESTS_EMULATION_WARP_EMULATION_H
