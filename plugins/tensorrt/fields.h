// The fields of a plugin: what a node states as attributes and an engine keeps, all of them
// integers.
#pragma once

#include <NvInferRuntime.h>

#include <cstdint>

namespace vmamba::tensorrt {

struct Field {
  const char *op, *node;  // whose it is, for a message
  const char *name;
};

// Its value; false, with the reason in the log, where it is missing or no integer.
bool read_field(const Field &field, const nvinfer1::PluginFieldCollection *collection,
                int64_t *value) noexcept;

}  // namespace vmamba::tensorrt
