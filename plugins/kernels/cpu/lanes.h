// Vectors of which only the first lanes are in memory.
#ifndef VMAMBA_KERNELS_CPU_LANES_H
#define VMAMBA_KERNELS_CPU_LANES_H

#include "cpu/half_types.h"

namespace vmamba {
namespace VMAMBA_BUILD {

// Loads or stores the first `count` lanes; the others read as 0 and are not written.
template <typename T>
VMAMBA_INLINE Vec load_lanes(const T *source, int count) {
  if (__builtin_expect(count == kLanes, 1)) return load(source);
  T padded[kLanes] = {};
  memcpy(padded, source, static_cast<size_t>(count) * sizeof(T));
  return load(padded);
}

template <typename T>
VMAMBA_INLINE void store_lanes(T *target, Vec v, int count) {
  if (__builtin_expect(count == kLanes, 1)) return store(target, v);
  T padded[kLanes];
  store(padded, v);
  memcpy(target, padded, static_cast<size_t>(count) * sizeof(T));
}

}  // namespace VMAMBA_BUILD
}  // namespace vmamba

#endif  // VMAMBA_KERNELS_CPU_LANES_H
