// As much of CUDA as the kernels use, on the host: a launch is a loop over blocks and threads.
// The kernels have no barrier and no shared memory, so each thread can run from start to end.
#ifndef VMAMBA_TESTS_EMULATION_CUDA_EMULATION_H
#define VMAMBA_TESTS_EMULATION_CUDA_EMULATION_H

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>

#include "vmamba/selective_scan_2d.h"

#define __global__ static
#define __device__
#define __launch_bounds__(threads, blocks)

namespace vmamba {
struct EmulatedIndex {
  unsigned x;
};
inline thread_local EmulatedIndex threadIdx, blockIdx, gridDim;
}  // namespace vmamba

struct __half {
  _Float16 value;
};
struct __nv_bfloat16 {
  uint16_t bits;
};

inline float __half2float(__half half) { return static_cast<float>(half.value); }
inline __half __float2half_rn(float value) { return {static_cast<_Float16>(value)}; }

inline float __bfloat162float(__nv_bfloat16 value) {
  const uint32_t bits = static_cast<uint32_t>(value.bits) << 16;
  float wide;
  std::memcpy(&wide, &bits, sizeof(wide));
  return wide;
}

inline __nv_bfloat16 __float2bfloat16_rn(float value) {
  uint32_t bits;
  std::memcpy(&bits, &value, sizeof(bits));
  if (std::isnan(value)) return {0x7fff};
  bits += 0x7fff + ((bits >> 16) & 1);  // to nearest, ties to even
  return {static_cast<uint16_t>(bits >> 16)};
}

namespace vmamba {

using std::min;

template <typename Params>
vmamba_status launch(void (*kernel)(Params), const char *, int64_t blocks, int32_t threads, void *,
                     const Params &params) {
  // A small grid, so that the kernels' loop over further items is walked as well.
  const int64_t largest_grid = 7;
  gridDim.x = static_cast<unsigned>(std::min(blocks, largest_grid));
  for (blockIdx.x = 0; blockIdx.x < gridDim.x; ++blockIdx.x) {
    for (threadIdx.x = 0; threadIdx.x < static_cast<unsigned>(threads); ++threadIdx.x) {
      kernel(params);
    }
  }
  return VMAMBA_OK;
}

}  // namespace vmamba

#endif  // VMAMBA_TESTS_EMULATION_CUDA_EMULATION_H
