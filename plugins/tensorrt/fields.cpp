#include "fields.h"

#include <cstring>

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

bool read_field(const Field &field, const PluginFieldCollection *collection,
                int64_t *value) noexcept {
  const PluginField *const found = find_field(collection, field.name);
  if (found == nullptr) {
    log_error(field.op, "node \"%s\" lacks the attribute %s", field.node, field.name);
    return false;
  }
  if (read_integer(*found, value)) return true;
  log_error(field.op, "%s of node \"%s\" is not one integer", field.name, field.node);
  return false;
}

}  // namespace vmamba::tensorrt
