// Stands in for libcuda.so.1. It tells of a GPU of the compute capability in FAKE_GPU ("9.0"), of
// none where that is "none". Its memory is the host's, its streams do everything at once, and what
// is recorded in a graph is only counted. It prints each call that makes, runs or frees something.
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>

namespace {

constexpr int kSuccess = 0, kInvalid = 1, kOutOfMemory = 2, kNoDevice = 100;

int told(const char *name) {
  std::puts(name);
  std::fflush(stdout);
  return kSuccess;
}

// A handle is some memory, so that one which is not given back shows as a leak.
template <typename Handle>
void make(Handle *handle) {
  *handle = static_cast<Handle>(std::malloc(1));
}

bool read_capability(int &major, int &minor) {
  const char *const text = std::getenv("FAKE_GPU");
  return text != nullptr && std::sscanf(text, "%d.%d", &major, &minor) == 2;
}

}  // namespace

extern "C" {

int cuInit(unsigned int) {
  int major = 0, minor = 0;
  return read_capability(major, minor) ? kSuccess : kNoDevice;
}

int cuGetErrorName(int code, const char **text) {
  *text = code == kNoDevice      ? "CUDA_ERROR_NO_DEVICE"
          : code == kOutOfMemory ? "CUDA_ERROR_OUT_OF_MEMORY"
                                 : "CUDA_ERROR_INVALID_VALUE";
  return kSuccess;
}

int cuDeviceGetCount(int *count) {
  *count = 1;
  return kSuccess;
}

int cuDeviceGet(int *device, int index) {
  *device = index;
  return kSuccess;
}

int cuDeviceGetName(char *name, int size, int) {
  std::snprintf(name, static_cast<std::size_t>(size), "a fake GPU");
  return kSuccess;
}

int cuDeviceGetAttribute(int *value, int attribute, int) {
  int major = 0, minor = 0;
  read_capability(major, minor);
  *value = attribute == 75 ? major : minor;
  return kSuccess;
}

int cuDevicePrimaryCtxRetain(void **context, int) {
  *context = nullptr;
  return told("retain context");
}

int cuDevicePrimaryCtxRelease_v2(int) { return told("release context"); }
int cuCtxSetCurrent(void *) { return kSuccess; }

int cuStreamCreate(void **stream, unsigned int) {
  make(stream);
  return told("create stream");
}

int cuStreamDestroy_v2(void *stream) {
  std::free(stream);
  return told("destroy stream");
}

int cuStreamSynchronize(void *) { return kSuccess; }

int cuMemAlloc_v2(std::uint64_t *pointer, std::size_t bytes) {
  if (bytes > (std::size_t{1} << 40)) return kOutOfMemory;
  *pointer = reinterpret_cast<std::uintptr_t>(std::malloc(bytes));
  return told("allocate");
}

int cuMemFree_v2(std::uint64_t pointer) {
  std::free(reinterpret_cast<void *>(static_cast<std::uintptr_t>(pointer)));
  return told("free");
}

int cuMemHostAlloc(void **pointer, std::size_t bytes, unsigned int) {
  *pointer = std::malloc(bytes);
  return told("allocate pinned");
}

int cuMemFreeHost(void *pointer) {
  std::free(pointer);
  return told("free pinned");
}

int cuMemcpyHtoDAsync_v2(std::uint64_t to, const void *from, std::size_t bytes, void *) {
  std::memcpy(reinterpret_cast<void *>(static_cast<std::uintptr_t>(to)), from, bytes);
  return kSuccess;
}

int cuMemcpyDtoHAsync_v2(void *to, std::uint64_t from, std::size_t bytes, void *) {
  std::memcpy(to, reinterpret_cast<void *>(static_cast<std::uintptr_t>(from)), bytes);
  return kSuccess;
}

int cuStreamBeginCapture_v2(void *, int) {
  return std::getenv("FAKE_NO_CAPTURE") != nullptr ? kInvalid : told("begin capture");
}

int cuStreamEndCapture(void *, void **graph) {
  make(graph);
  return told("end capture");
}

int cuGraphInstantiateWithFlags(void **exec, void *, std::uint64_t) {
  make(exec);
  return told("instantiate graph");
}

int cuGraphDestroy(void *graph) {
  std::free(graph);
  return told("destroy graph");
}

int cuGraphLaunch(void *, void *) { return told("launch graph"); }

int cuGraphExecDestroy(void *exec) {
  std::free(exec);
  return told("destroy executable graph");
}
}
