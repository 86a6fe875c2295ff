// Loads and stores of four channels of a pixel in the three element types.
#pragma once

#include <type_traits>

#include "cuda/shared/platform.cuh"

namespace vmamba {

__device__ inline float to_float(float value) { return value; }
__device__ inline float to_float(__half value) { return __half2float(value); }
__device__ inline float to_float(__nv_bfloat16 value) { return __bfloat162float(value); }

__device__ inline void from_float(float value, float *to) { *to = value; }
__device__ inline void from_float(float value, __half *to) { *to = __float2half_rn(value); }
__device__ inline void from_float(float value, __nv_bfloat16 *to) {
  *to = __float2bfloat16_rn(value);
}

__device__ inline uint32_t bits(__half value) { return __half_as_ushort(value); }
__device__ inline uint32_t bits(__nv_bfloat16 value) { return __bfloat16_as_ushort(value); }

// Row `row` of a matrix whose rows are `bytes` apart. A product of two 32-bit numbers, added to an
// address: one instruction.
template <typename T>
__device__ inline T *row_of(T *first, int32_t row, uint32_t bytes) {
  using Byte = std::conditional_t<std::is_const_v<T>, const char, char>;
  const uint64_t offset = static_cast<uint64_t>(static_cast<uint32_t>(row)) * bytes;
  return reinterpret_cast<T *>(reinterpret_cast<Byte *>(first) + offset);
}

// Four neighbouring channels: one load or store of 8 or 16 bytes.
template <typename T>
struct alignas(4 * sizeof(T)) Quad {
  T channel[4];
};

template <typename T>
struct alignas(2 * sizeof(T)) Pair {
  T term[2];
};

template <typename T>
__device__ inline void load_quad(const T *from, float (&to)[4]) {
  const Quad<T> quad = *reinterpret_cast<const Quad<T> *>(from);
#pragma unroll
  for (int i = 0; i < 4; ++i) to[i] = to_float(quad.channel[i]);
}

template <typename T>
__device__ inline void store_quad(T *to, const float (&from)[4]) {
  Quad<T> quad;
#pragma unroll
  for (int i = 0; i < 4; ++i) from_float(from[i], &quad.channel[i]);
  *reinterpret_cast<Quad<T> *>(to) = quad;
}

}  // namespace vmamba
