// Registers the libvmamba_trt.so beside this library when this library is opened, for hosts such
// as Triton's TensorRT back end, which open plugin libraries with dlopen and nothing more.
//
// TensorRT is looked up among the libraries that the process has loaded, under its exact name: a
// back end is opened with RTLD_LOCAL, so its symbols are not in the global scope. Nothing is
// linked.

#include <NvInferRuntime.h>
#include <dlfcn.h>

#include <cstdint>
#include <cstdio>
#include <exception>
#include <string>

namespace {

constexpr char kPlugin[] = "libvmamba_trt.so";

void say(const std::string &text) { std::fprintf(stderr, "vmamba: %s\n", text.c_str()); }

std::string folder_of_this_library() {
  Dl_info info{};
  if (dladdr(reinterpret_cast<const void *>(&folder_of_this_library), &info) == 0) return ".";
  const std::string path = info.dli_fname;
  const auto slash = path.rfind('/');
  return slash == std::string::npos ? "." : path.substr(0, slash);
}

void register_plugin() {
  const std::string runtime = "libnvinfer.so." + std::to_string(NV_TENSORRT_MAJOR);
  void *tensorrt = dlopen(runtime.c_str(), RTLD_NOW | RTLD_NOLOAD);
  if (tensorrt == nullptr) {
    say(runtime + " is not loaded in this process; " + kPlugin + " was not registered");
    return;
  }
  // The name says the major version of the registry's layout, and this asks the library itself.
  const auto version = reinterpret_cast<int32_t (*)()>(dlsym(tensorrt, "getInferLibVersion"));
  const auto registry_of =
      reinterpret_cast<nvinfer1::IPluginRegistry *(*)()>(dlsym(tensorrt, "getPluginRegistry"));
  if (version == nullptr || registry_of == nullptr || version() / 10000 != NV_TENSORRT_MAJOR) {
    say(runtime + " is not the TensorRT that this library was compiled for");
    return;
  }
  const std::string plugin = folder_of_this_library() + "/" + kPlugin;
  if (registry_of()->loadLibrary(plugin.c_str()) == nullptr) {
    say("TensorRT did not take " + plugin);
    return;
  }
  say("registered " + plugin);
}

__attribute__((constructor)) void on_open() {
  try {
    register_plugin();
  } catch (const std::exception &error) {  // an exception must not leave dlopen
    say(error.what());
  }
}

}  // namespace
