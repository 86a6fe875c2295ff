#include "creator.h"

#include <cstring>
#include <new>

#include "common/signature.h"
#include "logging.h"

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

}  // namespace

SelectiveScanCreator::SelectiveScanCreator() noexcept
    : field_{kOutDtypeField, nullptr, PluginFieldType::kINT32, 1}, fields_{1, &field_} {}

nvinfer1::IPluginV3 *SelectiveScanCreator::createPlugin(char const *name,
                                                        PluginFieldCollection const *collection,
                                                        nvinfer1::TensorRTPhase) noexcept {
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

}  // namespace vmamba::tensorrt
