// Launches a kernel and turns the CUDA runtime's error into a status with text.
#ifndef VMAMBA_KERNELS_CUDA_LAUNCH_CUDA_CUH
#define VMAMBA_KERNELS_CUDA_LAUNCH_CUDA_CUH

#include <cuda_runtime.h>

#include "common/last_error.h"

namespace vmamba {

inline vmamba_status status_of(cudaError_t error) {
  switch (error) {
    case cudaErrorMemoryAllocation:
      return VMAMBA_OUT_OF_MEMORY;
    case cudaErrorNoDevice:
    case cudaErrorInsufficientDriver:
    case cudaErrorNoKernelImageForDevice:
    case cudaErrorUnsupportedPtxVersion:
      return VMAMBA_UNSUPPORTED;
    default:
      return VMAMBA_RUNTIME_ERROR;
  }
}

template <typename Params>
vmamba_status launch(void (*kernel)(Params), const char *name, int64_t blocks, int32_t threads,
                     void *stream, Params params) {
  void *arguments[] = {&params};
  const cudaError_t error = cudaLaunchKernel(
      reinterpret_cast<const void *>(kernel), dim3(static_cast<unsigned>(blocks)),
      dim3(static_cast<unsigned>(threads)), arguments, 0, static_cast<cudaStream_t>(stream));
  if (error == cudaSuccess) return VMAMBA_OK;
  cudaGetLastError();  // ours to report: the caller's next check must not find it again
  return fail(status_of(error), "launch of %s: %s (%s)", name, cudaGetErrorString(error),
              cudaGetErrorName(error));
}

}  // namespace vmamba

#endif  // VMAMBA_KERNELS_CUDA_LAUNCH_CUDA_CUH
