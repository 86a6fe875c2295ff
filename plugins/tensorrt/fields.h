// The fields of a plugin: what a node states as attributes and an engine keeps, all of them
// integers.
#pragma once

#include <NvInferRuntime.h>

#include <cstdint>

#include "common/signature.h"

namespace vmamba::tensorrt {

struct Field {
  const char *name;
  const char *values;               // which there are, for a message
  bool (*holds)(int64_t) noexcept;  // whether a value is one of them
};

constexpr Field kOutDtype = {"out_dtype", "1 float32, 10 float16, 16 bfloat16", is_dtype};

// The value of one field of a node's, or an engine's. False, with the reason in the log, where it
// is missing, no integer, or none of those that the field has.
bool read_field(const Field &field, const nvinfer1::PluginFieldCollection *collection,
                const char *op, const char *node, int32_t *value) noexcept;

}  // namespace vmamba::tensorrt
