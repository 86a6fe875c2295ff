// Stands in for libnvinfer.so.10: a plugin registry that says what it is asked to load, and opens
// it as TensorRT does.

#include <NvInferRuntime.h>
#include <dlfcn.h>

#include <cstdio>

#ifndef FAKE_VERSION
#define FAKE_VERSION NV_TENSORRT_VERSION
#endif

namespace {

using namespace nvinfer1;

struct Registry final : IPluginRegistry {
  bool registerCreator(IPluginCreator &, AsciiChar const *) noexcept override { return false; }
  IPluginCreator *const *getPluginCreatorList(int32_t *) const noexcept override { return nullptr; }
  IPluginCreator *getPluginCreator(AsciiChar const *, AsciiChar const *,
                                   AsciiChar const *) noexcept override {
    return nullptr;
  }
  void setErrorRecorder(IErrorRecorder *) noexcept override {}
  IErrorRecorder *getErrorRecorder() const noexcept override { return nullptr; }
  bool deregisterCreator(IPluginCreator const &) noexcept override { return false; }
  bool isParentSearchEnabled() const override { return false; }
  void setParentSearchEnabled(bool) override {}
  PluginLibraryHandle loadLibrary(AsciiChar const *path) noexcept override {
    void *library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    const auto creators = library == nullptr
                              ? nullptr
                              : reinterpret_cast<IPluginCreatorInterface *const *(*)(int32_t &)>(
                                    dlsym(library, "getCreators"));
    int32_t count = 0;
    if (creators != nullptr) creators(count);
    std::fprintf(stderr, "loadLibrary %s: %d creators\n", path, count);
    return creators == nullptr ? nullptr : library;
  }
  void deregisterLibrary(PluginLibraryHandle) noexcept override {}
  bool registerCreator(IPluginCreatorInterface &, AsciiChar const *) noexcept override {
    return false;
  }
  IPluginCreatorInterface *const *getAllCreators(int32_t *) const noexcept override {
    return nullptr;
  }
  IPluginCreatorInterface *getCreator(AsciiChar const *, AsciiChar const *,
                                      AsciiChar const *) noexcept override {
    return nullptr;
  }
  bool deregisterCreator(IPluginCreatorInterface const &) noexcept override { return false; }
  IPluginResource *acquirePluginResource(AsciiChar const *, IPluginResource *) noexcept override {
    return nullptr;
  }
  int32_t releasePluginResource(AsciiChar const *) noexcept override { return 0; }
  IPluginCreatorInterface *const *getAllCreatorsRecursive(int32_t *) noexcept override {
    return nullptr;
  }
};

}  // namespace

extern "C" __attribute__((visibility("default"))) IPluginRegistry *getPluginRegistry() noexcept {
  static Registry registry;
  return &registry;
}

extern "C" __attribute__((visibility("default"))) int32_t getInferLibVersion() noexcept {
  return FAKE_VERSION;
}
