// log2(1 + 2^v) and 2^z on groups of K vectors of float.
//
// A group goes through each polynomial side by side: its K chains of dependent operations fill the
// arithmetic units. With six chains Horner's form, which has the fewest operations, was faster than
// shorter chains of more operations.
//
// The polynomials are minimax in relative error. Those of 2^z have their leading coefficient fixed
// at 1, so that 2^z is exact to rounding as z -> 0 (a decay close to 1 is applied thousands of
// times).
//
// Error against float64, relative (plugins/tests/cpu_vector_math.cpp sweeps all of it):
//   softplus2  at most 3.0e-7 for v >= -126 (2.5e-7 seen)
//   exp2       at most 1.2e-7 for -126 <= z < 127.5, and 3.1e-8 close to 0
// Below that range both fall to 0 with an absolute error under 1.8e-38; exp2 is infinity from 127.5
// on (half a binade early). NaN stays NaN.
#ifndef VMAMBA_KERNELS_CPU_VECTOR_MATH_H
#define VMAMBA_KERNELS_CPU_VECTOR_MATH_H

#include "cpu/vector.h"

#define VMAMBA_UNROLL _Pragma("GCC unroll 16")

namespace vmamba {
namespace VMAMBA_BUILD {

// Coefficients by ascending power: of 2^z on -0.5..0.5,
constexpr float kExp2[] = {1.0f,           0x1.62e430p-1f,  0x1.ebfbdcp-3f, 0x1.c6af7cp-5f,
                           0x1.3b2de0p-7f, 0x1.5f082ep-10f, 0x1.416b52p-13f};
// the same to 1e-7, where an error is not applied again and again,
constexpr float kShortExp2[] = {1.0f,           0x1.62e42ap-1f, 0x1.ebf9c2p-3f,
                                0x1.c6b6d8p-5f, 0x1.3ce8aep-7f, 0x1.5bda58p-10f};
// and log2(1 + e) / e on 0..1.
constexpr float kLog2[] = {0x1.715476p+0f,  -0x1.7153aap-1f, 0x1.ec3f58p-2f,
                           -0x1.6f1f94p-2f, 0x1.1aa29ep-2f,  -0x1.952240p-3f,
                           0x1.d159f8p-4f,  -0x1.603eecp-5f, 0x1.f566e8p-8f};

// 1.5 * 2^23 rounds a small float to an integer in the low bits of its mantissa; 127 biases that
// integer as a float exponent, so a shift by 23 makes 2^n of it. -127 gives 0 and 128 infinity.
constexpr float kRoundAndBias = 12582912.0f + 127.0f;

VMAMBA_INLINE Vec power_of_two(Vec rounded) { return from_bits(bits(rounded) << 23); }

// c[0] + c[1] x + c[2] x^2 + ...
template <int K, int TERMS>
VMAMBA_INLINE void evaluate(const float (&c)[TERMS], const Vec (&x)[K], Vec (&result)[K]) {
  VMAMBA_UNROLL for (int k = 0; k < K; ++k) result[k] = splat(c[TERMS - 1]);
  VMAMBA_UNROLL for (int i = TERMS - 2; i >= 0; --i) {
    VMAMBA_UNROLL for (int k = 0; k < K; ++k) result[k] = fma(result[k], x[k], splat(c[i]));
  }
}

// z in -127..128 becomes 2^z, with the polynomial c.
template <int K, int TERMS>
VMAMBA_INLINE void exp2_in_range(const float (&c)[TERMS], Vec (&z)[K]) {
  Vec scale[K], power[K];
  VMAMBA_UNROLL for (int k = 0; k < K; ++k) {
    const Vec rounded = z[k] + kRoundAndBias;
    z[k] = z[k] - (rounded - kRoundAndBias);  // exact, in -0.5..0.5
    scale[k] = power_of_two(rounded);
  }
  evaluate(c, z, power);
  VMAMBA_UNROLL for (int k = 0; k < K; ++k) z[k] = power[k] * scale[k];
}

// z becomes 2^z.
template <int K>
VMAMBA_INLINE void exp2(Vec (&z)[K]) {
  VMAMBA_UNROLL for (int k = 0; k < K; ++k) z[k] = at_most(128.0f, at_least(-127.0f, z[k]));
  exp2_in_range(kExp2, z);
}

// v becomes log2(1 + 2^v) = max(v, 0) + log2(1 + 2^-|v|), the softplus of base 2.
template <int K>
VMAMBA_INLINE void softplus2(Vec (&v)[K]) {
  Vec e[K], ratio[K];
  VMAMBA_UNROLL for (int k = 0; k < K; ++k) {
    e[k] = at_least(-127.0f, from_bits(bits(v[k]) | INT32_MIN));
  }
  exp2_in_range(kShortExp2, e);
  evaluate(kLog2, e, ratio);
  VMAMBA_UNROLL for (int k = 0; k < K; ++k) v[k] = fma(e[k], ratio[k], at_least(0.0f, v[k]));
}

}  // namespace VMAMBA_BUILD
}  // namespace vmamba

#endif  // VMAMBA_KERNELS_CPU_VECTOR_MATH_H
