// Putting libvmamba_trt.so into TensorRT's plugin registry.
#pragma once

#include <NvInferRuntime.h>

#include <cstdint>
#include <filesystem>
#include <string>

#include "vmamba_inference/error.hpp"
#include "vmamba_inference/trt_flavour.hpp"

namespace vmamba_inference::trt {

// The plugin registry of TensorRT 11 and TensorRT-RTX 1.7. They dropped the methods for plugins of
// the second version, and with them the places that the headers of TensorRT 10 give to the others.
// Found by calling each place of the table of 11.4 and of RTX 1.7.1 in a process of its own; both
// have these. Only the methods that are called here matter, the others hold their places. Not in
// an unnamed namespace, where the compiler would see that nothing implements it.
class Registry11 {
 public:
  virtual ~Registry11() = default;
  virtual void setErrorRecorder(void *recorder) noexcept = 0;
  virtual void *getErrorRecorder() const noexcept = 0;
  virtual bool isParentSearchEnabled() const = 0;
  virtual void setParentSearchEnabled(bool enabled) = 0;
  virtual void *loadLibrary(const char *path) noexcept = 0;
  virtual void deregisterLibrary(void *handle) noexcept = 0;
  virtual bool registerCreator(void *creator, const char *name_space) noexcept = 0;
  virtual void *const *getAllCreators(std::int32_t *count) const noexcept = 0;
  virtual void *getCreator(const char *name, const char *version,
                           const char *name_space) noexcept = 0;
};

inline bool has_registry_11() {
  const int major = getInferLibMajorVersion(), minor = getInferLibMinorVersion();
  return kRtx ? major == 1 && minor == 7 : major == 11;
}

template <typename Registry>
void load_into(Registry &registry, const std::filesystem::path &library) {
  const auto known = [&registry] {
    return registry.getCreator("SelectiveScan2D", "1", "vmamba") != nullptr;
  };
  if (known()) return;  // the registry lives as long as the process
  const std::string path = std::filesystem::absolute(library).string();
  auto *const handle = registry.loadLibrary(path.c_str());
  if (handle == nullptr) {
    throw build_error(std::string(kTitle) + " cannot load the plugin library " + library.string(),
                      "it may be truncated or made for another machine: export again");
  }
  if (!known()) {
    registry.deregisterLibrary(handle);
    throw build_error(library.string() +
                      " was loaded but brings no plugin vmamba::SelectiveScan2D version 1");
  }
}

// Throws Error(kBuildFailed) where it cannot be loaded or is another plugin's.
inline void load_plugin(const std::filesystem::path &library) {
  nvinfer1::IPluginRegistry *const registry = getPluginRegistry();
  if (headers_fit()) {
    load_into(*registry, library);
  } else if (has_registry_11()) {
    load_into(*reinterpret_cast<Registry11 *>(registry), library);
  } else {
    require_fitting_headers();
  }
}

}  // namespace vmamba_inference::trt
