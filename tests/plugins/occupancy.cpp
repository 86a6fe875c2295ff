// The occupancy calculator that comes with CUDA, as one function.
#include <cuda_occupancy.h>

// Blocks that a multiprocessor holds at a time; -1 where the calculator refuses.
extern "C" int cuda_blocks(int major, int minor, int shared_per_block,
                           int shared_per_multiprocessor, int threads_per_multiprocessor,
                           int block_threads, int registers, int shared_bytes, int barriers) {
  cudaOccDeviceProp device;
  device.computeMajor = major;
  device.computeMinor = minor;
  device.maxThreadsPerBlock = 1024;
  device.maxThreadsPerMultiprocessor = threads_per_multiprocessor;
  device.regsPerBlock = device.regsPerMultiprocessor = 65536;
  device.warpSize = 32;
  device.sharedMemPerBlock = 48 * 1024;
  device.sharedMemPerMultiprocessor = static_cast<size_t>(shared_per_multiprocessor);
  device.sharedMemPerBlockOptin = static_cast<size_t>(shared_per_block);
  device.reservedSharedMemPerBlock = 1024;
  device.numSms = 1;
  cudaOccFuncAttributes kernel;
  kernel.maxThreadsPerBlock = 1024;
  kernel.numRegs = registers;
  kernel.sharedSizeBytes = 0;
  kernel.partitionedGCConfig = PARTITIONED_GC_OFF;
  kernel.shmemLimitConfig = FUNC_SHMEM_LIMIT_OPTIN;
  kernel.maxDynamicSharedSizeBytes = static_cast<size_t>(shared_bytes);
  kernel.numBlockBarriers = barriers;
  cudaOccDeviceState state;
  cudaOccResult result;
  const cudaOccError error = cudaOccMaxActiveBlocksPerMultiprocessor(
      &result, &device, &kernel, &state, block_threads, static_cast<size_t>(shared_bytes));
  return error == CUDA_OCC_SUCCESS ? result.activeBlocksPerMultiprocessor : -1;
}
