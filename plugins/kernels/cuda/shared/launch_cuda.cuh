// Launches a kernel and turns the CUDA runtime's error into a status with text.
#pragma once

#include <cuda_runtime.h>

#include "common/validate.h"
#include "cuda/shared/device.h"

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

inline vmamba_status check(cudaError_t error, const char *what, const char *name) {
  if (error == cudaSuccess) return VMAMBA_OK;
  cudaGetLastError();  // ours to report: the caller's next check must not find it again
  return fail(status_of(error), "%s %s: %s (%s)", what, name, cudaGetErrorString(error),
              cudaGetErrorName(error));
}

// Of the current device. Seven queries of the runtime, each well under a microsecond.
inline vmamba_status device_limits(DeviceLimits *limits) {
  int device = 0, major = 0, minor = 0;
  vmamba_status status = check(cudaGetDevice(&device), "query of", "the current device");
  const struct {
    cudaDeviceAttr attribute;
    int *value;
  } queries[] = {
      {cudaDevAttrMultiProcessorCount, &limits->multiprocessors},
      {cudaDevAttrMaxSharedMemoryPerBlockOptin, &limits->shared_bytes_per_block},
      {cudaDevAttrMaxSharedMemoryPerMultiprocessor, &limits->shared_bytes_per_multiprocessor},
      {cudaDevAttrMaxBlocksPerMultiprocessor, &limits->blocks_per_multiprocessor},
      {cudaDevAttrComputeCapabilityMajor, &major},
      {cudaDevAttrComputeCapabilityMinor, &minor},
  };
  for (const auto &query : queries) {
    if (status != VMAMBA_OK) return status;
    status = check(cudaDeviceGetAttribute(query.value, query.attribute, device), "query of",
                   "the device's limits");
  }
  limits->compute_capability = 10 * major + minor;
  return status;
}

template <typename Params>
vmamba_status launch(void (*kernel)(Params), const char *name, const Grid &grid, void *stream,
                     Params params) {
  const void *const function = reinterpret_cast<const void *>(kernel);
  const int32_t granted_bytes = 48 * 1024;  // without asking
  if (grid.shared_bytes > granted_bytes) {
    const cudaError_t error = cudaFuncSetAttribute(
        function, cudaFuncAttributeMaxDynamicSharedMemorySize, grid.shared_bytes);
    const vmamba_status status = check(error, "shared memory of", name);
    if (status != VMAMBA_OK) return status;
  }
  void *arguments[] = {&params};
  cudaLaunchAttribute early{};
  early.id = cudaLaunchAttributeProgrammaticStreamSerialization;
  early.val.programmaticStreamSerializationAllowed = 1;
  cudaLaunchConfig_t config{};
  config.gridDim = dim3(static_cast<unsigned>(grid.blocks));
  config.blockDim = dim3(static_cast<unsigned>(grid.threads));
  config.dynamicSmemBytes = static_cast<size_t>(grid.shared_bytes);
  config.stream = static_cast<cudaStream_t>(stream);
  config.attrs = &early;
  config.numAttrs = grid.begins_early ? 1 : 0;
  return check(cudaLaunchKernelExC(&config, function, arguments), "launch of", name);
}

}  // namespace vmamba
