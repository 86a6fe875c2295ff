// The fields of a plugin: what a node states as attributes and an engine keeps, all of them
// integers or lists of integers.
#pragma once

#include <NvInferRuntime.h>

#include <cstdint>

#include "common/signature.h"

namespace vmamba::tensorrt {

struct Field {
  const char *op, *node;  // whose it is, for a message
  AttributeSpec spec;
};

// Its value; false, with the reason in the log, where it is missing or no integer, or no list of
// them.
bool read_field(const Field &field, const nvinfer1::PluginFieldCollection *collection,
                AttributeValue *value) noexcept;

}  // namespace vmamba::tensorrt
