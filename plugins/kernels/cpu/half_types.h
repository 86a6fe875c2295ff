// float16 and bfloat16 in memory, converted to and from vectors of float.
#ifndef VMAMBA_KERNELS_CPU_HALF_TYPES_H
#define VMAMBA_KERNELS_CPU_HALF_TYPES_H

#include "cpu/vector.h"

namespace vmamba {
namespace VMAMBA_BUILD {

struct Half {
  uint16_t raw;
};
struct BFloat16 {
  uint16_t raw;
};

typedef uint16_t VecShort __attribute__((vector_size(VMAMBA_LANES * 2)));
typedef uint32_t VecUint __attribute__((vector_size(VMAMBA_LANES * 4)));

VMAMBA_INLINE VecShort load_raw(const void *source) {
  VecShort raw;
  memcpy(&raw, source, sizeof(raw));
  return raw;
}

VMAMBA_INLINE VecUint widen(VecShort raw) { return __builtin_convertvector(raw, VecUint); }

VMAMBA_INLINE Vec load(const BFloat16 *source) {
  return reinterpret_cast<Vec>(widen(load_raw(source)) << 16);
}

// Round to nearest even; a NaN keeps its sign and becomes quiet.
VMAMBA_INLINE void store(BFloat16 *target, Vec v) {
  const VecUint value = reinterpret_cast<VecUint>(v);
  const VecUint rounded = value + 0x7fffu + ((value >> 16) & 1u);
  const VecUint is_nan = reinterpret_cast<VecUint>(v != v);
  const VecUint chosen = (is_nan & (value | 0x400000u)) | (~is_nan & rounded);
  const VecShort raw = __builtin_convertvector(chosen >> 16, VecShort);
  memcpy(target, &raw, sizeof(raw));
}

#if VMAMBA_AVX512
VMAMBA_INLINE Vec load(const Half *source) {
  return _mm512_cvtph_ps(reinterpret_cast<__m256i>(load_raw(source)));
}
VMAMBA_INLINE void store(Half *target, Vec v) {
  const __m256i raw = _mm512_cvtps_ph(v, _MM_FROUND_TO_NEAREST_INT);
  memcpy(target, &raw, sizeof(raw));
}
#elif VMAMBA_AVX2
VMAMBA_INLINE Vec load(const Half *source) {
  return _mm256_cvtph_ps(reinterpret_cast<__m128i>(load_raw(source)));
}
VMAMBA_INLINE void store(Half *target, Vec v) {
  const __m128i raw = _mm256_cvtps_ph(v, _MM_FROUND_TO_NEAREST_INT);
  memcpy(target, &raw, sizeof(raw));
}
#elif VMAMBA_NEON
VMAMBA_INLINE Vec load(const Half *source) {
  return vcvt_f32_f16(vreinterpret_f16_u16(reinterpret_cast<uint16x4_t>(load_raw(source))));
}
VMAMBA_INLINE void store(Half *target, Vec v) {
  const float16x4_t raw = vcvt_f16_f32(v);
  memcpy(target, &raw, sizeof(raw));
}
#else
// No step makes a float denormal, so the result does not depend on flush-to-zero.
VMAMBA_INLINE Vec load(const Half *source) {
  const VecUint raw = widen(load_raw(source));
  const VecUint sign = (raw & 0x8000u) << 16;
  const VecUint magnitude = (raw & 0x7fffu) << 13;
  const VecUint normal = magnitude + (112u << 23);
  const VecUint special = magnitude + (224u << 23);  // infinity and NaN
  const Vec smallest_normal = splat(0x1p-14f);
  const Vec denormal =
      reinterpret_cast<Vec>(magnitude | reinterpret_cast<VecUint>(smallest_normal)) -
      smallest_normal;
  const VecUint is_denormal = reinterpret_cast<VecUint>(magnitude < (1u << 23));
  const VecUint is_special = reinterpret_cast<VecUint>(magnitude >= (31u << 23));
  const VecUint finite =
      (is_denormal & reinterpret_cast<VecUint>(denormal)) | (~is_denormal & normal);
  return reinterpret_cast<Vec>(sign | (is_special & special) | (~is_special & finite));
}

// Round to nearest even, with gradual underflow and overflow to infinity.
VMAMBA_INLINE void store(Half *target, Vec v) {
  const VecUint value = reinterpret_cast<VecUint>(v);
  const VecUint sign = (value >> 16) & 0x8000u;
  const VecUint magnitude = value & 0x7fffffffu;
  const VecUint normal = (magnitude + 0xfffu + ((magnitude >> 13) & 1u) - (112u << 23)) >> 13;
  // Adding 0.5 leaves the bits of a float16 denormal, rounded, at the bottom of the mantissa.
  const VecUint denormal =
      reinterpret_cast<VecUint>(reinterpret_cast<Vec>(magnitude) + splat(0.5f)) - (126u << 23);
  const VecUint is_nan = reinterpret_cast<VecUint>(magnitude > 0x7f800000u);
  const VecUint is_large = reinterpret_cast<VecUint>(magnitude >= 0x477ff000u);
  const VecUint is_denormal = reinterpret_cast<VecUint>(magnitude < 0x38800000u);
  const VecUint finite = (is_denormal & denormal) | (~is_denormal & normal);
  const VecUint bounded = (is_large & 0x7c00u) | (~is_large & finite);
  const VecUint chosen = sign | (is_nan & 0x7e00u) | (~is_nan & bounded);
  const VecShort raw = __builtin_convertvector(chosen, VecShort);
  memcpy(target, &raw, sizeof(raw));
}
#endif

}  // namespace VMAMBA_BUILD
}  // namespace vmamba

#endif  // VMAMBA_KERNELS_CPU_HALF_TYPES_H
