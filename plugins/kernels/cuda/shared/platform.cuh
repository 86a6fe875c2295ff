// The CUDA environment, or its stand-in with which the tests run the very same kernels on the host,
// and what a warp of a launch does: which warp it is, and items as mixed-radix numbers.
#pragma once

#include "cuda/shared/device.h"

#ifdef VMAMBA_HOST_EMULATION
#include "cuda_emulation.h"
#else
#include "cuda/shared/launch_cuda.cuh"
#include "cuda/shared/warp_ops.cuh"
#endif

namespace vmamba {

// Takes the lowest digit, in base size, off number. Of 32 bits: a division of 64 takes as long as a
// read of memory.
__device__ inline int32_t take_digit(uint32_t &number, int32_t size) {
  const uint32_t rest = number / static_cast<uint32_t>(size);
  const uint32_t digit = number - rest * static_cast<uint32_t>(size);
  number = rest;
  return static_cast<int32_t>(digit);
}

// The number of the thread's warp in its block. Through a shuffle, by which the compiler knows that
// it is one number for all lanes.
__device__ inline int32_t warp_of_block() {
  const float number = static_cast<float>(threadIdx.x / kWarpLanes);
  return static_cast<int32_t>(shuffle_from(number, 0));
}

}  // namespace vmamba
