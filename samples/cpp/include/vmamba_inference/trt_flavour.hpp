// The TensorRT that this program is linked with: which flavour, which version, on which GPUs, and
// whether it is the one whose headers were compiled in; and putting libvmamba_trt.so into its
// plugin registry.
#pragma once

#include <NvInferRuntime.h>

#include <cstdint>
#include <filesystem>
#include <string>

#include "vmamba_inference/cuda_device.hpp"
#include "vmamba_inference/error.hpp"

// Declared here because the headers have the first alone. All flavours and versions export them.
extern "C" int32_t getInferLibVersion() noexcept;
extern "C" int32_t getInferLibMajorVersion() noexcept;
extern "C" int32_t getInferLibMinorVersion() noexcept;
extern "C" int32_t getInferLibPatchVersion() noexcept;
extern "C" int32_t getInferLibBuildVersion() noexcept;

namespace vmamba_inference::trt {

#ifdef VMAMBA_WITH_TENSORRT_RTX
inline constexpr bool kRtx = true;
inline constexpr char kName[] = "tensorrt_rtx", kTitle[] = "TensorRT-RTX";
inline constexpr char kHeadersVariable[] = "TENSORRT_RTX_INCLUDE_DIR";
#else
inline constexpr bool kRtx = false;
inline constexpr char kName[] = "tensorrt", kTitle[] = "TensorRT";
inline constexpr char kHeadersVariable[] = "TENSORRT_INCLUDE_DIR";
#endif

#ifdef TRT_MAJOR_RTX
inline constexpr bool kRtxHeaders = true;
inline constexpr int kHeadersMajor = TRT_MAJOR_RTX, kHeadersMinor = TRT_MINOR_RTX;
#else
inline constexpr bool kRtxHeaders = false;
inline constexpr int kHeadersMajor = NV_TENSORRT_MAJOR, kHeadersMinor = NV_TENSORRT_MINOR;
#endif

// "1.7.1.116", as packages and manifests name it.
inline std::string library_version() {
  return std::to_string(getInferLibMajorVersion()) + "." +
         std::to_string(getInferLibMinorVersion()) + "." +
         std::to_string(getInferLibPatchVersion()) + "." +
         std::to_string(getInferLibBuildVersion());
}

// Whether objects of the library have the virtual tables that the headers declare. TensorRT only
// adds to them within a major version. TensorRT-RTX 1.7 did not keep that, so there it is the
// minor version, too.
inline bool headers_fit() {
  if (kRtx != kRtxHeaders || getInferLibMajorVersion() != kHeadersMajor) return false;
  const int minor = getInferLibMinorVersion();
  return kRtx ? minor == kHeadersMinor : minor >= kHeadersMinor;
}

// A call through a wrong virtual table does anything at all: refuse before the first one.
inline void require_fitting_headers() {
  if (headers_fit()) return;
  throw environment_problem(std::string("this program was compiled with the headers of ") +
                                (kRtxHeaders ? "TensorRT-RTX " : "TensorRT ") +
                                std::to_string(kHeadersMajor) + "." +
                                std::to_string(kHeadersMinor) + " and runs with " + kTitle + " " +
                                library_version() + ", whose interface differs",
                            std::string("build it again with ") + kHeadersVariable +
                                " naming that library's own headers");
}

// Throws Error(kEnvironment) where engines of this flavour do not run on the GPU.
inline void require_supported(const Gpu &gpu) {
  const std::string title = kTitle, capability = "compute capability " + gpu.capability();
  const int number = 10 * gpu.major + gpu.minor;
  if (number < 75) {
    throw environment_problem(title + " needs 7.5 or newer, not " + capability);
  }
  if constexpr (kRtx) {
    const char *const family = number == 87    ? "Orin"
                               : number == 90  ? "Hopper"
                               : number == 100 ? "Blackwell data centre"
                                               : nullptr;
    if (family != nullptr) {
      throw environment_problem(
          title + " refuses " + capability + " (" + family + "): it is made for RTX cards",
          "use the full TensorRT there");
    }
  }
}

inline Gpu require_gpu() {
  const GpuSearch search = find_gpu();
  if (!search.found) {
    throw environment_problem("an engine needs an NVIDIA GPU: " + search.reason,
                              "use --runtime ort, or a machine with a GPU");
  }
  require_supported(search.gpu);
  return search.gpu;
}

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
