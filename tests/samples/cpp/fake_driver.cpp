// Stands in for libcuda.so.1 where programs ask which GPU there is. It describes one of the compute
// capability in FAKE_GPU ("9.0"), none at all where that is "none", and can do nothing else.
#include <cstdio>
#include <cstdlib>
#include <cstring>

namespace {

constexpr int kSuccess = 0, kNoDevice = 100;

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
  *text = code == kNoDevice ? "CUDA_ERROR_NO_DEVICE" : "CUDA_SUCCESS";
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
}
