// softplus and 2^z on groups of K vectors of float.
//
// A group goes through each polynomial side by side: its K chains of dependent operations fill the
// arithmetic units, and a constant is loaded once for all of them.
//
// The polynomials are minimax in relative error with their leading coefficient fixed at 1, so that
// 2^z is exact to rounding as z -> 0 (a decay close to 1 is applied thousands of times) and
// softplus(v) -> exp(v) for very negative v.
//
// Error against float64, relative (plugins/tests/cpu_vector_math.cpp sweeps all of it):
//   softplus   at most 3.5e-7 for v >= -87 (2.1e-7 seen with fma, 3.0e-7 without)
//   exp2       at most 1.2e-7 for -126 <= z < 127.5, and 3.1e-8 close to 0
// Below that range both fall to 0 with an absolute error under 1.2e-38; exp2 is infinity from 127.5
// on (half a binade early). NaN stays NaN.
#ifndef VMAMBA_KERNELS_CPU_VECTOR_MATH_H
#define VMAMBA_KERNELS_CPU_VECTOR_MATH_H

#include "cpu/vector.h"

#define VMAMBA_UNROLL _Pragma("GCC unroll 16")

namespace vmamba {
namespace VMAMBA_BUILD {

// Coefficients by ascending power, without the first, which is 1.
constexpr float kExp2[] = {0x1.62e430p-1f, 0x1.ebfbdcp-3f,  0x1.c6af7cp-5f,
                           0x1.3b2de0p-7f, 0x1.5f082ep-10f, 0x1.416b52p-13f};
constexpr float kExp[] = {1.0f,           0x1.fffffcp-2f, 0x1.555492p-3f,
                          0x1.5558acp-5f, 0x1.12397cp-7f, 0x1.6a513ap-10f};
// log(1 + e) / e on 0..1.
constexpr float kLog1p[] = {-0x1.ffffd2p-2f, 0x1.554dd0p-2f,  -0x1.ff23e8p-3f,
                            0x1.934b6ep-3f,  -0x1.3a43e0p-3f, 0x1.b4b094p-4f,
                            -0x1.d6b760p-5f, 0x1.492126p-6f,  -0x1.af5e50p-9f};

// 1.5 * 2^23 rounds a small float to an integer in the low bits of its mantissa; 127 biases that
// integer as a float exponent, so a shift by 23 makes 2^n of it. -127 gives 0 and 128 infinity.
constexpr float kRoundAndBias = 12582912.0f + 127.0f;

VMAMBA_INLINE Vec power_of_two(Vec rounded) { return from_bits(bits(rounded) << 23); }

// 1 + c[0] x + c[1] x^2 + ...: the even and the odd half of c as two shorter chains, and the 1
// added last, so that a result close to 1 is rounded once.
template <int K, int TERMS>
VMAMBA_INLINE void evaluate(const float (&c)[TERMS], const Vec (&x)[K], Vec (&result)[K]) {
  constexpr int kEven = (TERMS - 1) / 2 * 2;
  constexpr int kOdd = (TERMS - 2) / 2 * 2 + 1;
  Vec square[K], odd[K];
  VMAMBA_UNROLL for (int k = 0; k < K; ++k) square[k] = x[k] * x[k];
  VMAMBA_UNROLL for (int k = 0; k < K; ++k) result[k] = splat(c[kEven]);
  VMAMBA_UNROLL for (int k = 0; k < K; ++k) odd[k] = splat(c[kOdd]);
  VMAMBA_UNROLL for (int i = kEven - 2; i >= 0; i -= 2) {
    VMAMBA_UNROLL for (int k = 0; k < K; ++k) result[k] = fma(result[k], square[k], splat(c[i]));
  }
  VMAMBA_UNROLL for (int i = kOdd - 2; i >= 1; i -= 2) {
    VMAMBA_UNROLL for (int k = 0; k < K; ++k) odd[k] = fma(odd[k], square[k], splat(c[i]));
  }
  VMAMBA_UNROLL for (int k = 0; k < K; ++k) result[k] = fma(odd[k], x[k], result[k]);
  VMAMBA_UNROLL for (int k = 0; k < K; ++k) result[k] = fma(result[k], x[k], splat(1.0f));
}

// z becomes 2^z.
template <int K>
VMAMBA_INLINE void exp2(Vec (&z)[K]) {
  Vec rounded[K], power[K];
  VMAMBA_UNROLL for (int k = 0; k < K; ++k) {
    z[k] = at_most(128.0f, at_least(-127.0f, z[k]));
    rounded[k] = z[k] + kRoundAndBias;
    z[k] = z[k] - (rounded[k] - kRoundAndBias);  // exact, in -0.5..0.5
  }
  evaluate(kExp2, z, power);
  VMAMBA_UNROLL for (int k = 0; k < K; ++k) z[k] = power[k] * power_of_two(rounded[k]);
}

// v becomes exp(-|v|).
template <int K>
VMAMBA_INLINE void exp_of_minus_magnitude(Vec (&v)[K]) {
  Vec rounded[K], power[K];
  VMAMBA_UNROLL for (int k = 0; k < K; ++k) {
    const Vec x = at_least(-88.0f, from_bits(bits(v[k]) | INT32_MIN));
    rounded[k] = fma(x, splat(0x1.715476p+0f), splat(kRoundAndBias));
    const Vec n = rounded[k] - kRoundAndBias;
    // ln 2 in two parts; the first has few bits, so that its product is exact without fma as well.
    v[k] = fma(n, splat(0x1.bd0106p-13f), fma(n, splat(-0x1.63p-1f), x));
  }
  evaluate(kExp, v, power);
  VMAMBA_UNROLL for (int k = 0; k < K; ++k) v[k] = power[k] * power_of_two(rounded[k]);
}

// e = exp(-|v|) becomes log(1 + exp(v)) = max(v, 0) + log(1 + e).
template <int K>
VMAMBA_INLINE void softplus_from_exp(const Vec (&v)[K], Vec (&e)[K]) {
  Vec ratio[K];
  evaluate(kLog1p, e, ratio);
  VMAMBA_UNROLL for (int k = 0; k < K; ++k) e[k] = at_least(0.0f, v[k]) + e[k] * ratio[k];
}

}  // namespace VMAMBA_BUILD
}  // namespace vmamba

#endif  // VMAMBA_KERNELS_CPU_VECTOR_MATH_H
