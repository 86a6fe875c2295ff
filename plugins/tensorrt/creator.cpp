// Makes the plugin from a node's attributes, or from the fields in an engine; and the two functions
// by which IPluginRegistry::loadLibrary finds the creator. Nothing here refers to a symbol of
// TensorRT's, so the library loads beside every version and flavour of it.
#include <cstring>
#include <new>

#include "common/signature.h"
#include "plugin.h"

namespace vmamba::tensorrt {
namespace {

using nvinfer1::PluginField;
using nvinfer1::PluginFieldCollection;
using nvinfer1::PluginFieldType;

// Every other field (plugin_namespace, plugin_version) has done its work before a creator is
// called.
const PluginField *find_field(const PluginFieldCollection *collection, const char *name) noexcept {
  if (collection == nullptr) return nullptr;
  for (int32_t i = 0; i < collection->nbFields; ++i) {
    const PluginField &field = collection->fields[i];
    if (field.name != nullptr && std::strcmp(field.name, name) == 0) return &field;
  }
  return nullptr;
}

bool read_integer(const PluginField &field, int64_t *value) noexcept {
  if (field.data == nullptr || field.length != 1) return false;
  if (field.type == PluginFieldType::kINT32) {
    int32_t narrow = 0;
    std::memcpy(&narrow, field.data, sizeof(narrow));
    *value = narrow;
    return true;
  }
  if (field.type == PluginFieldType::kINT64) {
    std::memcpy(value, field.data, sizeof(*value));
    return true;
  }
  return false;
}

class SelectiveScanCreator final : public nvinfer1::IPluginCreatorV3One {
 public:
  nvinfer1::IPluginV3 *createPlugin(char const *name, PluginFieldCollection const *collection,
                                    nvinfer1::TensorRTPhase) noexcept override {
    const char *const node = name == nullptr ? "" : name;
    const PluginField *const field = find_field(collection, kOutDtypeField);
    if (field == nullptr) {
      log_error("node \"%s\" lacks the attribute out_dtype: 1 float32, 10 float16, 16 bfloat16",
                node);
      return nullptr;
    }
    int64_t out_dtype = 0;
    if (!read_integer(*field, &out_dtype)) {
      log_error("out_dtype of node \"%s\" is not one integer", node);
      return nullptr;
    }
    if (!is_dtype(out_dtype)) {
      log_error("out_dtype of node \"%s\" is %lld: 1 float32, 10 float16, 16 bfloat16", node,
                static_cast<long long>(out_dtype));
      return nullptr;
    }
    auto *const plugin = new (std::nothrow) SelectiveScanPlugin(static_cast<int32_t>(out_dtype));
    if (plugin == nullptr) log_error("out of memory in createPlugin");
    return plugin;
  }
  PluginFieldCollection const *getFieldNames() noexcept override { return &fields_; }
  char const *getPluginName() const noexcept override { return kPluginName; }
  char const *getPluginVersion() const noexcept override { return kPluginVersion; }
  char const *getPluginNamespace() const noexcept override { return kPluginNamespace; }

 private:
  PluginField field_{kOutDtypeField, nullptr, PluginFieldType::kINT32, 1};
  PluginFieldCollection fields_{1, &field_};
};

}  // namespace
}  // namespace vmamba::tensorrt

#define VMAMBA_EXPORT extern "C" __attribute__((visibility("default")))

VMAMBA_EXPORT nvinfer1::IPluginCreatorInterface *const *getCreators(int32_t &count) {
  static vmamba::tensorrt::SelectiveScanCreator creator;
  static nvinfer1::IPluginCreatorInterface *const creators[] = {&creator};
  count = 1;
  return creators;
}

VMAMBA_EXPORT void setLoggerFinder(nvinfer1::ILoggerFinder *finder) {
  vmamba::tensorrt::set_logger_finder(finder);
}
