// Loads and stores of the three element types, and the elementary functions of the scan.
#ifndef VMAMBA_KERNELS_CUDA_ELEMENT_CUH
#define VMAMBA_KERNELS_CUDA_ELEMENT_CUH

#include "cuda/platform.cuh"

namespace vmamba {

__device__ inline float to_float(float value) { return value; }
__device__ inline float to_float(__half value) { return __half2float(value); }
__device__ inline float to_float(__nv_bfloat16 value) { return __bfloat162float(value); }

__device__ inline void store(float *target, float value) { *target = value; }
__device__ inline void store(__half *target, float value) { *target = __float2half_rn(value); }
__device__ inline void store(__nv_bfloat16 *target, float value) {
  *target = __float2bfloat16_rn(value);
}

// log(1 + exp(v)): relatively exact for very negative v, and v itself for large v.
__device__ inline float softplus(float v) { return fmaxf(v, 0.0f) + log1pf(expf(-fabsf(v))); }

}  // namespace vmamba

#endif  // VMAMBA_KERNELS_CUDA_ELEMENT_CUH
