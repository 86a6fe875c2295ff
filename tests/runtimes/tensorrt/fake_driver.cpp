// A libcuda.so.1 of the host's memory, with what cuda-python asks of a driver here.
//
// A stream runs at once what is put on it, unless it captures: then it records, and a graph made of
// the recording runs it when it is launched, with the addresses of then. `fake_live` counts what
// was made and not freed; `fake_network` stands for an engine's kernels.
#include <dlfcn.h>

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <functional>
#include <initializer_list>
#include <numeric>
#include <utility>
#include <vector>

namespace {

constexpr int kSuccess = 0, kOutOfMemory = 2;
constexpr std::size_t kMemoryBytes = std::size_t{1} << 30;
constexpr int kMajor = 75, kMinor = 76, kMemoryPools = 115;  // CU_DEVICE_ATTRIBUTE_*

using Work = std::vector<std::function<void()>>;
using Handle = void *;

struct Stream {
  Work *recorded = nullptr;  // a graph from the beginning of its capture on
};

std::atomic<int> live{0};
int context_object;
Handle current_context = nullptr;

template <typename Object, typename... Arguments>
int make(Handle *handle, Arguments &&...arguments) {
  *handle = new Object{std::forward<Arguments>(arguments)...};
  ++live;
  return kSuccess;
}

template <typename Object>
int destroy(Handle handle) {
  delete static_cast<Object *>(handle);
  --live;
  return kSuccess;
}

void *at(std::uint64_t address) { return reinterpret_cast<void *>(address); }

int allocate(std::uint64_t *address, std::size_t bytes) {
  if (bytes > kMemoryBytes) return kOutOfMemory;
  *address = reinterpret_cast<std::uint64_t>(new unsigned char[bytes]);
  ++live;
  return kSuccess;
}

int release(std::uint64_t address) {
  delete[] static_cast<unsigned char *>(at(address));
  --live;
  return kSuccess;
}

int put(Handle stream, std::function<void()> work) {
  Work *const recorded = static_cast<Stream *>(stream)->recorded;
  if (recorded != nullptr) {
    recorded->push_back(std::move(work));
  } else {
    work();
  }
  return kSuccess;
}

}  // namespace

extern "C" {

int fake_live() { return live; }

// logits [batch,2] = the sum and the largest of each image's values; into a stream's order.
void fake_network(Handle stream, const float *images, float *logits, int batch, int values) {
  put(stream, [=] {
    for (int i = 0; i < batch; ++i) {
      const float *const first = images + i * values, *const last = first + values;
      logits[2 * i] = std::accumulate(first, last, 0.0f);
      logits[2 * i + 1] = *std::max_element(first, last);
    }
  });
}

int cuGetProcAddress_v2(const char *symbol, void **function, int, std::uint64_t, int *status) {
  void *const self = dlopen("libcuda.so.1", RTLD_NOLOAD | RTLD_LAZY);
  *function = nullptr;
  for (const char *const version : {"_v3", "_v2", ""}) {
    char name[128];
    std::snprintf(name, sizeof(name), "%s%s", symbol, version);
    if (*function == nullptr) *function = dlsym(self, name);
  }
  dlclose(self);
  if (status != nullptr) *status = *function == nullptr ? 1 : 0;  // 1: no such symbol
  return kSuccess;
}

int cuInit(unsigned) { return kSuccess; }
int cuDriverGetVersion(int *version) { return *version = 13000, kSuccess; }
int cuGetErrorName(int code, const char **text) {
  *text = code == kOutOfMemory ? "CUDA_ERROR_OUT_OF_MEMORY" : "CUDA_ERROR_UNKNOWN";
  return kSuccess;
}
int cuGetErrorString(int, const char **text) { return *text = "told by the fake driver", kSuccess; }

int cuDeviceGetCount(int *count) { return *count = 1, kSuccess; }
int cuDeviceGet(int *device, int index) { return *device = index, kSuccess; }
int cuDeviceGetAttribute(int *value, int attribute, int) {
  *value = attribute == kMajor ? 8 : attribute == kMinor ? 9 : attribute == kMemoryPools ? 1 : 0;
  return kSuccess;
}

int cuDevicePrimaryCtxRetain(Handle *context, int) { return *context = &context_object, kSuccess; }
int cuDevicePrimaryCtxRelease_v2(int) { return kSuccess; }
int cuCtxGetCurrent(Handle *context) { return *context = current_context, kSuccess; }
int cuCtxSetCurrent(Handle context) { return current_context = context, kSuccess; }
int cuCtxGetDevice(int *device) { return *device = 0, kSuccess; }
int cuCtxGetStreamPriorityRange(int *least, int *greatest) {
  return *least = *greatest = 0, kSuccess;
}

int cuStreamCreateWithPriority(Handle *stream, unsigned, int) { return make<Stream>(stream); }
int cuStreamDestroy_v2(Handle stream) { return destroy<Stream>(stream); }
int cuStreamSynchronize(Handle) { return kSuccess; }

int cuDeviceGetMemPool(Handle *pool, int) { return *pool = &context_object, kSuccess; }
int cuDeviceGetDefaultMemPool(Handle *pool, int) { return *pool = &context_object, kSuccess; }
int cuMemPoolGetAttribute(Handle, int, std::uint64_t *value) { return *value = 0, kSuccess; }
int cuMemPoolSetAttribute(Handle, int, std::uint64_t *) { return kSuccess; }
int cuMemAllocFromPoolAsync(std::uint64_t *address, std::size_t bytes, Handle, Handle) {
  return allocate(address, bytes);
}
int cuMemFreeAsync(std::uint64_t address, Handle) { return release(address); }
int cuMemAllocHost_v2(std::uint64_t *address, std::size_t bytes) {
  return allocate(address, bytes);
}
int cuMemFreeHost(std::uint64_t address) { return release(address); }

int cuMemcpyAsync(std::uint64_t to, std::uint64_t from, std::size_t bytes, Handle stream) {
  return put(stream, [=] { std::memcpy(at(to), at(from), bytes); });
}

int cuStreamBeginCapture_v2(Handle stream, int) {
  Handle graph = nullptr;
  make<Work>(&graph);
  static_cast<Stream *>(stream)->recorded = static_cast<Work *>(graph);
  return kSuccess;
}
int cuStreamEndCapture(Handle stream, Handle *graph) {
  *graph = std::exchange(static_cast<Stream *>(stream)->recorded, nullptr);
  return kSuccess;
}
int cuStreamIsCapturing(Handle stream, int *status) {
  return *status = static_cast<Stream *>(stream)->recorded != nullptr ? 1 : 0, kSuccess;
}
int cuStreamGetCaptureInfo_v3(Handle stream, int *status, std::uint64_t *id, Handle *graph, void *,
                              void *, std::size_t *dependencies) {
  cuStreamIsCapturing(stream, status);
  if (id != nullptr) *id = 1;
  if (graph != nullptr) *graph = static_cast<Stream *>(stream)->recorded;
  if (dependencies != nullptr) *dependencies = 0;
  return kSuccess;
}

int cuGraphInstantiateWithParams(Handle *executable, Handle graph, void *) {
  return make<Work>(executable, *static_cast<Work *>(graph));
}
int cuGraphInstantiateWithFlags(Handle *executable, Handle graph, std::uint64_t) {
  return cuGraphInstantiateWithParams(executable, graph, nullptr);
}
int cuGraphLaunch(Handle executable, Handle stream) {
  for (const auto &work : *static_cast<Work *>(executable)) put(stream, work);
  return kSuccess;
}
int cuGraphDestroy(Handle graph) { return destroy<Work>(graph); }
int cuGraphExecDestroy(Handle executable) { return destroy<Work>(executable); }

// cuda-core ties the lifetime of Python's objects to a graph through these; nothing to do here.
int cuUserObjectCreate(Handle *object, void *, void (*)(void *), unsigned, unsigned) {
  return *object = &context_object, kSuccess;
}
int cuUserObjectRelease(Handle, unsigned) { return kSuccess; }
int cuGraphRetainUserObject(Handle, Handle, unsigned, unsigned) { return kSuccess; }
int cuGraphReleaseUserObject(Handle, Handle, unsigned) { return kSuccess; }
}
