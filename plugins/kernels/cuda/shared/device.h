// What plans and launches of every op need to know of a GPU.
#pragma once

#include <cstdint>

#ifdef __CUDACC__
#define VMAMBA_HOST_DEVICE __host__ __device__
#else
#define VMAMBA_HOST_DEVICE
#endif

namespace vmamba {

constexpr int32_t kWarpLanes = 32;

struct DeviceLimits {
  int32_t multiprocessors;
  int32_t shared_bytes_per_block;
  int32_t shared_bytes_per_multiprocessor;
  int32_t blocks_per_multiprocessor;
  int32_t compute_capability;  // 90 for 9.0
};

// Of one launch: the kernels loop over what exceeds the largest.
struct Grid {
  int64_t blocks;
  int32_t threads, shared_bytes;  // of a block
  bool begins_early;              // before what is ahead of it in the stream has ended
};

}  // namespace vmamba
