#include "fields.h"

#include <algorithm>
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

template <typename Integer>
AttributeValue read_integers(const PluginField &field) noexcept {
  AttributeValue value{};
  value.count = field.length;
  const auto *bytes = static_cast<const char *>(field.data);
  for (int32_t i = 0; i < std::min(field.length, kMaxAttributeValues); ++i) {
    Integer one = 0;  // a field is aligned to nothing
    std::memcpy(&one, bytes, sizeof(one));
    value.values[i] = one;
    bytes += sizeof(one);
  }
  return value;
}

bool read_integers(const PluginField &field, AttributeValue *value) noexcept {
  if (field.data == nullptr || field.length < 1) return false;
  if (field.type == PluginFieldType::kINT32) {
    *value = read_integers<int32_t>(field);
    return true;
  }
  if (field.type == PluginFieldType::kINT64) {
    *value = read_integers<int64_t>(field);
    return true;
  }
  return false;
}

}  // namespace

bool read_field(const Field &field, const PluginFieldCollection *collection,
                AttributeValue *value) noexcept {
  const AttributeSpec &spec = field.spec;
  const PluginField *const found = find_field(collection, spec.name);
  if (found == nullptr) {
    log_error(field.op, "node \"%s\" lacks the attribute %s", field.node, spec.name);
    return false;
  }
  if (read_integers(*found, value) && (spec.is_list || value->count == 1)) return true;
  log_error(field.op, "%s of node \"%s\" is not %s", spec.name, field.node,
            spec.is_list ? "a list of integers" : "one integer");
  return false;
}

}  // namespace vmamba::tensorrt
