// CUDA's own words, types and conversions, as far as the kernels use them.
#ifndef VMAMBA_TESTS_EMULATION_CUDA_BUILTINS_H
#define VMAMBA_TESTS_EMULATION_CUDA_BUILTINS_H

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>

#define __global__ static
#define __device__
#define __forceinline__ inline
#define __launch_bounds__(threads, blocks)

struct EmulatedIndex {
  unsigned x;
};
inline thread_local EmulatedIndex threadIdx, blockIdx, gridDim;

struct __half {
  _Float16 value;
};
struct __nv_bfloat16 {
  uint16_t bits;
};

template <typename To, typename From>
To bits_as(From from) {
  static_assert(sizeof(To) == sizeof(From), "as many bits");
  To to;
  std::memcpy(&to, &from, sizeof(to));
  return to;
}

// Rounded each by itself: contraction is off where this is compiled.
inline float __fadd_rn(float a, float b) { return a + b; }
inline float __fsub_rn(float a, float b) { return a - b; }
inline float __fmul_rn(float a, float b) { return a * b; }
inline float __fdiv_rn(float a, float b) { return a / b; }
inline float __fsqrt_rn(float a) { return std::sqrt(a); }

inline float __half2float(__half half) { return static_cast<float>(half.value); }
inline __half __float2half_rn(float value) { return {static_cast<_Float16>(value)}; }
inline uint16_t __half_as_ushort(__half half) { return bits_as<uint16_t>(half.value); }
inline __half __ushort_as_half(uint16_t bits) { return {bits_as<_Float16>(bits)}; }

inline float __bfloat162float(__nv_bfloat16 value) {
  return bits_as<float>(static_cast<uint32_t>(value.bits) << 16);
}

inline __nv_bfloat16 __float2bfloat16_rn(float value) {
  if (std::isnan(value)) return {0x7fff};
  uint32_t bits = bits_as<uint32_t>(value);
  bits += 0x7fff + ((bits >> 16) & 1);  // to nearest, ties to even
  return {static_cast<uint16_t>(bits >> 16)};
}

inline uint16_t __bfloat16_as_ushort(__nv_bfloat16 value) { return value.bits; }
inline __nv_bfloat16 __ushort_as_bfloat16(uint16_t bits) { return {bits}; }

namespace vmamba {
using std::max;
using std::min;
}  // namespace vmamba

#endif  // VMAMBA_TESTS_EMULATION_CUDA_BUILTINS_H
