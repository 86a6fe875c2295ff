// The CUDA driver, loaded when it is first needed: the programs link no CUDA library and start on
// machines without a GPU. Types and numbers are those of its stable binary interface. Then what the
// driver gives: a context, a stream, memory on both sides, a recorded graph; each frees itself.
#pragma once

#include <dlfcn.h>

#include <cstddef>
#include <cstdint>
#include <string>

#include "vmamba_inference/error.hpp"

namespace vmamba_inference {

// One device: name, and compute capability as "8.6".
struct Gpu {
  int device = 0;
  std::string name;
  int major = 0;
  int minor = 0;

  std::string capability() const { return std::to_string(major) + "." + std::to_string(minor); }
};

class CudaDriver {
 public:
  using Result = int;
  using Pointer = std::uint64_t;  // into device memory
  using Context = struct CUctx_st *;
  using Stream = struct CUstream_st *;
  using Graph = struct CUgraph_st *;
  using GraphExec = struct CUgraphExec_st *;

  static constexpr const char *kLibrary = "libcuda.so.1";

  // The driver of this process; `loaded()` tells whether there is one.
  static const CudaDriver &instance() {
    static const CudaDriver driver;
    return driver;
  }

  bool loaded() const noexcept { return library_ != nullptr; }

  // Call a function by its name. Throws Error(kEnvironment) where this driver lacks it, and
  // Error(kBuildFailed) where it fails.
  template <typename... Values>
  void call(const char *name, Values... values) const {
    check(try_call(name, values...), name);
  }

  // As `call`, but gives the driver's code: 0 is success.
  template <typename... Values>
  Result try_call(const char *name, Values... values) const {
    void *const found = loaded() ? dlsym(library_, name) : nullptr;
    if (found == nullptr) {
      throw environment_problem(std::string("this NVIDIA driver has no ") + name,
                                "install a newer driver");
    }
    return reinterpret_cast<Result (*)(Values...)>(found)(values...);
  }

  std::string error_name(Result code) const {
    const char *text = nullptr;
    const bool named = try_call("cuGetErrorName", code, &text) == 0 && text != nullptr;
    return named ? text : "error " + std::to_string(code);
  }

  void check(Result code, const char *name) const {
    if (code == 0) return;
    constexpr Result kOutOfMemory = 2;
    const std::string message = std::string(name) + " failed: " + error_name(code);
    if (code == kOutOfMemory) throw resource_error(message, "run smaller batches");
    throw build_error(message);
  }

 private:
  CudaDriver() : library_(dlopen(kLibrary, RTLD_NOW | RTLD_LOCAL)) {}

  void *library_;  // never closed: the driver does not unload
};

// What was found, and in one sentence why nothing was.
struct GpuSearch {
  bool found = false;
  Gpu gpu;  // CUDA's device 0, the one that is used
  std::string reason;
};

namespace detail {

inline Gpu describe_gpu(const CudaDriver &driver) {
  constexpr int kMajor = 75, kMinor = 76;  // CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_*
  Gpu gpu;
  driver.call("cuDeviceGet", &gpu.device, 0);
  char name[256] = "";
  driver.call("cuDeviceGetName", static_cast<char *>(name), static_cast<int>(sizeof(name)),
              gpu.device);
  gpu.name = name;
  driver.call("cuDeviceGetAttribute", &gpu.major, kMajor, gpu.device);
  driver.call("cuDeviceGetAttribute", &gpu.minor, kMinor, gpu.device);
  return gpu;
}

}  // namespace detail

// Ask the driver; that there is none, or no GPU, is no error.
inline GpuSearch find_gpu() {
  const CudaDriver &driver = CudaDriver::instance();
  GpuSearch search;
  if (!driver.loaded()) {
    search.reason =
        std::string("no NVIDIA driver here (") + CudaDriver::kLibrary + " is not found)";
    return search;
  }
  if (const int code = driver.try_call("cuInit", 0U); code != 0) {
    search.reason = "the NVIDIA driver finds no usable GPU (" + driver.error_name(code) + ")";
    return search;
  }
  int count = 0;
  if (driver.try_call("cuDeviceGetCount", &count) != 0 || count == 0) {
    search.reason = "the NVIDIA driver shows no GPU to this process";
    return search;
  }
  search.gpu = detail::describe_gpu(driver);
  search.found = true;
  return search;
}

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
