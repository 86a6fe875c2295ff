// A device's context, one stream, memory on both sides, and a recorded graph; each frees itself.
#pragma once

#include <cstddef>
#include <cstdint>

#include "vmamba_inference/cuda_driver.hpp"

namespace vmamba_inference {

// The primary context of a device, which TensorRT's CUDA runtime shares. Current in a thread only
// after make_current().
class CudaContext {
 public:
  explicit CudaContext(const Gpu &gpu) : device_(gpu.device) {
    driver_.call("cuDevicePrimaryCtxRetain", &context_, device_);
  }
  ~CudaContext() { driver_.try_call("cuDevicePrimaryCtxRelease_v2", device_); }
  CudaContext(const CudaContext &) = delete;
  CudaContext &operator=(const CudaContext &) = delete;

  void make_current() const { driver_.call("cuCtxSetCurrent", context_); }
  CudaDriver::Context get() const { return context_; }

 private:
  const CudaDriver &driver_ = CudaDriver::instance();
  int device_;
  CudaDriver::Context context_ = nullptr;
};

// The classes below need a current context, in their destructors too.

class CudaStream {
 public:
  CudaStream() {
    constexpr unsigned int kNonBlocking = 1;
    driver_.call("cuStreamCreate", &stream_, kNonBlocking);
  }
  ~CudaStream() { driver_.try_call("cuStreamDestroy_v2", stream_); }
  CudaStream(const CudaStream &) = delete;
  CudaStream &operator=(const CudaStream &) = delete;

  CudaDriver::Stream get() const { return stream_; }
  void synchronise() const { driver_.call("cuStreamSynchronize", stream_); }

 private:
  const CudaDriver &driver_ = CudaDriver::instance();
  CudaDriver::Stream stream_ = nullptr;
};

class DeviceBuffer {
 public:
  explicit DeviceBuffer(std::size_t bytes) { driver_.call("cuMemAlloc_v2", &pointer_, bytes); }
  ~DeviceBuffer() { driver_.try_call("cuMemFree_v2", pointer_); }
  DeviceBuffer(const DeviceBuffer &) = delete;
  DeviceBuffer &operator=(const DeviceBuffer &) = delete;

  void *get() const { return reinterpret_cast<void *>(static_cast<std::uintptr_t>(pointer_)); }
  void upload(const void *from, std::size_t bytes, const CudaStream &stream) const {
    driver_.call("cuMemcpyHtoDAsync_v2", pointer_, from, bytes, stream.get());
  }
  void download(void *to, std::size_t bytes, const CudaStream &stream) const {
    driver_.call("cuMemcpyDtoHAsync_v2", to, pointer_, bytes, stream.get());
  }

 private:
  const CudaDriver &driver_ = CudaDriver::instance();
  CudaDriver::Pointer pointer_ = 0;
};

// Host memory that the GPU copies from and to without a detour.
class PinnedBuffer {
 public:
  explicit PinnedBuffer(std::size_t bytes) { driver_.call("cuMemHostAlloc", &pointer_, bytes, 0U); }
  ~PinnedBuffer() { driver_.try_call("cuMemFreeHost", pointer_); }
  PinnedBuffer(const PinnedBuffer &) = delete;
  PinnedBuffer &operator=(const PinnedBuffer &) = delete;

  void *get() const { return pointer_; }

 private:
  const CudaDriver &driver_ = CudaDriver::instance();
  void *pointer_ = nullptr;
};

// What one call of `work` puts on a stream, to be launched again as one.
class CudaGraph {
 public:
  CudaGraph() = default;
  ~CudaGraph() { reset(); }
  CudaGraph(const CudaGraph &) = delete;
  CudaGraph &operator=(const CudaGraph &) = delete;

  explicit operator bool() const { return exec_ != nullptr; }

  // False where the work, or this driver, cannot be recorded; nothing has run then.
  template <typename Work>
  bool record(const CudaStream &stream, Work &&work) {
    constexpr int kThreadLocal = 1;  // other threads of the program may allocate meanwhile
    reset();
    if (driver_.try_call("cuStreamBeginCapture_v2", stream.get(), kThreadLocal) != 0) return false;
    const bool done = work();
    CudaDriver::Graph graph = nullptr;
    const bool ended = driver_.try_call("cuStreamEndCapture", stream.get(), &graph) == 0;
    if (!ended || graph == nullptr) return false;
    const std::uint64_t flags = 0;
    if (done && driver_.try_call("cuGraphInstantiateWithFlags", &exec_, graph, flags) != 0) {
      exec_ = nullptr;
    }
    driver_.try_call("cuGraphDestroy", graph);
    return exec_ != nullptr;
  }
  void launch(const CudaStream &stream) const {
    driver_.call("cuGraphLaunch", exec_, stream.get());
  }
  void reset() {
    if (exec_ != nullptr) driver_.try_call("cuGraphExecDestroy", exec_);
    exec_ = nullptr;
  }

 private:
  const CudaDriver &driver_ = CudaDriver::instance();
  CudaDriver::GraphExec exec_ = nullptr;
};

}  // namespace vmamba_inference
