// A vector of VMAMBA_LANES floats on the compiler's vector extensions, in namespace VMAMBA_BUILD.
//
// Included once per build, with that build's instruction-set flags. Everything is in the build's
// own namespace and no standard template is used: a function shared with another build could be
// linked from the one whose instructions this machine lacks.
//
// Contraction is off in these files and fma() is explicit, so a channel's bits do not depend on how
// channels are grouped into blocks.
#ifndef VMAMBA_KERNELS_CPU_VECTOR_H
#define VMAMBA_KERNELS_CPU_VECTOR_H

#include <stdint.h>
#include <string.h>

#if defined(__x86_64__)
#include <immintrin.h>
#elif defined(__aarch64__)
#include <arm_neon.h>
#endif

#if VMAMBA_LANES == 16 && defined(__AVX512F__)
#define VMAMBA_AVX512 1
#elif VMAMBA_LANES == 8 && defined(__AVX2__) && defined(__FMA__)
#define VMAMBA_AVX2 1
#endif

#define VMAMBA_INLINE static inline __attribute__((always_inline))

namespace vmamba {
namespace VMAMBA_BUILD {

constexpr int kLanes = VMAMBA_LANES;
typedef float Vec __attribute__((vector_size(VMAMBA_LANES * 4)));
typedef int32_t VecInt __attribute__((vector_size(VMAMBA_LANES * 4)));

VMAMBA_INLINE VecInt bits(Vec v) { return reinterpret_cast<VecInt>(v); }
VMAMBA_INLINE Vec from_bits(VecInt v) { return reinterpret_cast<Vec>(v); }

VMAMBA_INLINE Vec splat(float value) {
  return value - Vec{};  // not Vec{} + value, which would lose the sign of -0
}

VMAMBA_INLINE Vec load(const float *source) {
  Vec v;
  memcpy(&v, source, sizeof(v));
  return v;
}

VMAMBA_INLINE void store(float *target, Vec v) { memcpy(target, &v, sizeof(v)); }

// at_least and at_most return v where v is NaN.
#if VMAMBA_AVX512
VMAMBA_INLINE Vec fma(Vec a, Vec b, Vec c) { return _mm512_fmadd_ps(a, b, c); }
VMAMBA_INLINE Vec at_least(float bound, Vec v) { return _mm512_max_ps(splat(bound), v); }
VMAMBA_INLINE Vec at_most(float bound, Vec v) { return _mm512_min_ps(splat(bound), v); }
#elif VMAMBA_AVX2
VMAMBA_INLINE Vec fma(Vec a, Vec b, Vec c) { return _mm256_fmadd_ps(a, b, c); }
VMAMBA_INLINE Vec at_least(float bound, Vec v) { return _mm256_max_ps(splat(bound), v); }
VMAMBA_INLINE Vec at_most(float bound, Vec v) { return _mm256_min_ps(splat(bound), v); }
#elif VMAMBA_NEON
VMAMBA_INLINE Vec fma(Vec a, Vec b, Vec c) { return vfmaq_f32(c, a, b); }
VMAMBA_INLINE Vec at_least(float bound, Vec v) { return vmaxq_f32(splat(bound), v); }
VMAMBA_INLINE Vec at_most(float bound, Vec v) { return vminq_f32(splat(bound), v); }
#else
VMAMBA_INLINE Vec fma(Vec a, Vec b, Vec c) {
#if defined(__FMA__) || defined(__aarch64__)
  Vec sum;
  for (int lane = 0; lane < kLanes; ++lane) sum[lane] = __builtin_fmaf(a[lane], b[lane], c[lane]);
  return sum;
#else
  return a * b + c;
#endif
}
VMAMBA_INLINE Vec at_least(float bound, Vec v) {
  const Vec low = splat(bound);
  return low > v ? low : v;
}
VMAMBA_INLINE Vec at_most(float bound, Vec v) {
  const Vec high = splat(bound);
  return high < v ? high : v;
}
#endif

}  // namespace VMAMBA_BUILD
}  // namespace vmamba

#endif  // VMAMBA_KERNELS_CPU_VECTOR_H
