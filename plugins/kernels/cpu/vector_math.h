// softplus and 2^z on vectors of float.
//
// The polynomials are minimax in relative error with their leading coefficient fixed at 1, so that
// 2^z is exact to rounding as z -> 0 (a decay close to 1 is applied thousands of times) and
// softplus(v) -> exp(v) for very negative v.
//
// Error against float64, relative (plugins/tests/cpu_vector_math.cpp sweeps all of it):
//   softplus   at most 2.5e-7 for v >= -87
//   exp2       at most 1.5e-7 for -126 <= z < 127.5
// Below that range both fall to 0 with an absolute error under 1.2e-38; exp2 is infinity from 127.5
// on (half a binade early). NaN stays NaN.
#ifndef VMAMBA_KERNELS_CPU_VECTOR_MATH_H
#define VMAMBA_KERNELS_CPU_VECTOR_MATH_H

#include "cpu/vector.h"

namespace vmamba {
namespace VMAMBA_BUILD {

// 1.5 * 2^23 rounds a small float to an integer in the low bits of its mantissa; 127 biases that
// integer as a float exponent, so a shift by 23 makes 2^n of it. -127 gives 0 and 128 infinity.
constexpr float kRoundAndBias = 12582912.0f + 127.0f;

VMAMBA_INLINE Vec power_of_two(Vec rounded) { return from_bits(bits(rounded) << 23); }

VMAMBA_INLINE Vec exp2(Vec z) {
  z = at_most(128.0f, at_least(-127.0f, z));
  const Vec rounded = z + kRoundAndBias;
  const Vec f = z - (rounded - kRoundAndBias);  // exact, in -0.5..0.5
  const Vec f2 = f * f;
  const Vec low = fma(f, splat(0x1.62e430p-1f), splat(1.0f));
  const Vec middle = fma(f, splat(0x1.c6af7cp-5f), splat(0x1.ebfbdcp-3f));
  const Vec high =
      fma(f2, splat(0x1.416b52p-13f), fma(f, splat(0x1.5f082ep-10f), splat(0x1.3b2de0p-7f)));
  return fma(f2, fma(f2, high, middle), low) * power_of_two(rounded);
}

// exp(x) for x <= 0.
VMAMBA_INLINE Vec exp_of_nonpositive(Vec x) {
  x = at_least(-88.0f, x);
  const Vec rounded = fma(x, splat(0x1.715476p+0f), splat(kRoundAndBias));
  const Vec n = rounded - kRoundAndBias;
  // ln 2 in two parts; the first has few bits, so that its product is exact without fma as well.
  const Vec r = fma(n, splat(0x1.bd0106p-13f), fma(n, splat(-0x1.63p-1f), x));
  const Vec r2 = r * r;
  const Vec low = r + 1.0f;
  const Vec middle = fma(r, splat(0x1.555492p-3f), splat(0x1.fffffcp-2f));
  const Vec high =
      fma(r2, splat(0x1.6a513ap-10f), fma(r, splat(0x1.12397cp-7f), splat(0x1.5558acp-5f)));
  return fma(r2, fma(r2, high, middle), low) * power_of_two(rounded);
}

// log(1 + e) for e in 0..1: e times a polynomial of degree 9.
VMAMBA_INLINE Vec log1p_of_fraction(Vec e) {
  const Vec e2 = e * e;
  const Vec e4 = e2 * e2;
  const Vec p01 = fma(e, splat(-0x1.ffffd2p-2f), splat(1.0f));
  const Vec p23 = fma(e, splat(-0x1.ff23e8p-3f), splat(0x1.554dd0p-2f));
  const Vec p45 = fma(e, splat(-0x1.3a43e0p-3f), splat(0x1.934b6ep-3f));
  const Vec p67 = fma(e, splat(-0x1.d6b760p-5f), splat(0x1.b4b094p-4f));
  const Vec p89 = fma(e, splat(-0x1.af5e50p-9f), splat(0x1.492126p-6f));
  const Vec p0123 = fma(e2, p23, p01);
  const Vec p4567 = fma(e2, p67, p45);
  return e * fma(e4, fma(e4, p89, p4567), p0123);
}

// log(1 + exp(v)) = max(v, 0) + log(1 + exp(-|v|)).
VMAMBA_INLINE Vec softplus(Vec v) {
  const Vec minus_magnitude = from_bits(bits(v) | INT32_MIN);
  return at_least(0.0f, v) + log1p_of_fraction(exp_of_nonpositive(minus_magnitude));
}

}  // namespace VMAMBA_BUILD
}  // namespace vmamba

#endif  // VMAMBA_KERNELS_CPU_VECTOR_MATH_H
