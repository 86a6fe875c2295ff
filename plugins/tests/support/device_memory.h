// Memory and a stream of the GPU, or of the host where the kernels are emulated there.
#pragma once

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <vector>

#include "support/call_file.h"

#ifndef VMAMBA_HOST_EMULATION
#include <cuda_runtime.h>
#endif

namespace vmamba::tests {

constexpr int kExitSkipped = 77;

#ifdef VMAMBA_HOST_EMULATION
using Stream = struct CUstream_st *;
inline void open_device() {}
inline Stream open_stream() { return nullptr; }
inline void finish(Stream) {}
// No byte more, so that AddressSanitizer sees what is read beyond.
inline void *take(size_t bytes) {
  void *memory = nullptr;
  require(posix_memalign(&memory, 256, bytes) == 0, "host memory");
  return memory;
}
inline void give_back(void *memory) { std::free(memory); }
inline void copy(void *to, const void *from, size_t bytes) { std::memcpy(to, from, bytes); }
#else
using Stream = cudaStream_t;

inline void require_cuda(cudaError_t error, const char *what) {
  if (error == cudaSuccess) return;
  std::fprintf(stderr, "failed: %s: %s\n", what, cudaGetErrorString(error));
  std::exit(1);
}

// Ends the program with kExitSkipped where there is no GPU.
inline void open_device() {
  int count = 0;
  const cudaError_t error = cudaGetDeviceCount(&count);
  if (error == cudaSuccess && count > 0) return;
  std::fprintf(stderr, "skipped: no GPU (%s)\n", cudaGetErrorString(error));
  std::exit(kExitSkipped);
}

// Of its own: work that goes to another stream by mistake is not waited for, and shows.
inline Stream open_stream() {
  Stream stream = nullptr;
  require_cuda(cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking), "a stream");
  return stream;
}
inline void finish(Stream stream) { require_cuda(cudaStreamSynchronize(stream), "the kernels"); }
inline void *take(size_t bytes) {
  void *memory = nullptr;
  require_cuda(cudaMalloc(&memory, bytes), "device memory");
  return memory;
}
inline void give_back(void *memory) { cudaFree(memory); }
// From pageable memory cudaMemcpy may return before the last bytes have arrived, and a stream that
// does not block waits for no other.
inline void copy(void *to, const void *from, size_t bytes) {
  require_cuda(cudaMemcpy(to, from, bytes, cudaMemcpyDefault), "a copy");
  require_cuda(cudaDeviceSynchronize(), "the end of a copy");
}
#endif

// A copy of the bytes for the kernels.
class DeviceBuffer {
 public:
  explicit DeviceBuffer(const std::vector<char> &bytes)
      : size_(bytes.size()), memory_(size_ == 0 ? nullptr : take(size_)) {
    if (size_ > 0) copy(memory_, bytes.data(), size_);
  }
  ~DeviceBuffer() {
    if (size_ > 0) give_back(memory_);
  }
  DeviceBuffer(const DeviceBuffer &) = delete;
  DeviceBuffer &operator=(const DeviceBuffer &) = delete;

  void *get() const { return memory_; }
  std::vector<char> read() const {
    std::vector<char> bytes(size_);
    if (size_ > 0) copy(bytes.data(), memory_, size_);
    return bytes;
  }

 private:
  const size_t size_;
  void *const memory_;
};

}  // namespace vmamba::tests
