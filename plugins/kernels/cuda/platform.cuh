// The CUDA environment, or its stand-in with which the tests run the very same kernels on the host.
#ifndef VMAMBA_KERNELS_CUDA_PLATFORM_CUH
#define VMAMBA_KERNELS_CUDA_PLATFORM_CUH

#ifdef VMAMBA_HOST_EMULATION
#include "cuda_emulation.h"
#else
#include "cuda/launch_cuda.cuh"
#include "cuda/warp_ops.cuh"
#endif

#endif  // VMAMBA_KERNELS_CUDA_PLATFORM_CUH
