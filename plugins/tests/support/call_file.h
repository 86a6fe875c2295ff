// One call of an op as a file: of each attribute the number of its values and those, as int64,
// out_dtype last, then for each input its dtype, rank and extents, then the bytes of all inputs.
// What the test programs are given.
#pragma once

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <vector>

#include "vmamba/common.h"

namespace vmamba::tests {

inline void require(bool condition, const char *what) {
  if (condition) return;
  std::fprintf(stderr, "failed: %s\n", what);
  std::exit(1);
}

struct CallTensor {
  int32_t dtype = VMAMBA_FLOAT32;
  std::vector<int64_t> extents;
  std::vector<char> bytes;

  size_t size_in_bytes() const {
    size_t size = dtype == VMAMBA_FLOAT32 ? 4 : 2;
    for (const int64_t extent : extents) size *= static_cast<size_t>(extent);
    return size;
  }
};

// y, as NaN in every dtype.
inline CallTensor make_output(int32_t dtype, const std::vector<int64_t> &extents) {
  CallTensor y{dtype, extents, {}};
  y.bytes.assign(y.size_in_bytes(), '\xff');
  return y;
}

struct Call {
  std::vector<std::vector<int64_t>> attributes;
  std::vector<CallTensor> inputs;

  int32_t out_dtype() const { return static_cast<int32_t>(attributes.back().front()); }
};

inline int64_t read_integer(std::FILE *file) {
  int64_t value = 0;
  require(std::fread(&value, sizeof(value), 1, file) == 1, "reading an integer of the call");
  return value;
}

inline std::vector<int64_t> read_list(std::FILE *file) {
  std::vector<int64_t> list(static_cast<size_t>(read_integer(file)));
  for (int64_t &each : list) each = read_integer(file);
  return list;
}

// Of an op with so many attributes and inputs.
inline Call read_call(const char *path, size_t attributes, size_t inputs) {
  std::FILE *const file = std::fopen(path, "rb");
  require(file != nullptr, "opening the call");
  Call call{std::vector<std::vector<int64_t>>(attributes), std::vector<CallTensor>(inputs)};
  for (std::vector<int64_t> &attribute : call.attributes) attribute = read_list(file);
  for (CallTensor &tensor : call.inputs) {
    tensor.dtype = static_cast<int32_t>(read_integer(file));
    tensor.extents = read_list(file);
  }
  for (CallTensor &tensor : call.inputs) {
    tensor.bytes.resize(tensor.size_in_bytes());
    require(std::fread(tensor.bytes.data(), 1, tensor.bytes.size(), file) == tensor.bytes.size(),
            "reading the data of the call");
  }
  std::fclose(file);
  return call;
}

inline void write_bytes(const char *path, const std::vector<char> &bytes) {
  std::FILE *const file = std::fopen(path, "wb");
  require(file != nullptr && std::fwrite(bytes.data(), 1, bytes.size(), file) == bytes.size(),
          "writing y");
  require(std::fclose(file) == 0, "closing y");
}

}  // namespace vmamba::tests
