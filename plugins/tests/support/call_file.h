// One call of the op as a file: int64 out_dtype, then for each of the six inputs its dtype, rank
// and extents, then the bytes of all six. What the test programs are given.
#pragma once

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <vector>

#include "vmamba/selective_scan_2d.h"

namespace vmamba::tests {

constexpr int kCallInputs = 6;

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
    size_t bytes = dtype == VMAMBA_FLOAT32 ? 4 : 2;
    for (const int64_t extent : extents) bytes *= static_cast<size_t>(extent);
    return bytes;
  }
};

struct Call {
  int32_t out_dtype = VMAMBA_FLOAT32;
  CallTensor inputs[kCallInputs];

  // y, as NaN in every dtype.
  CallTensor output() const {
    CallTensor y{out_dtype, inputs[0].extents, {}};
    y.bytes.assign(y.size_in_bytes(), '\xff');
    return y;
  }
};

inline int64_t read_integer(std::FILE *file) {
  int64_t value = 0;
  require(std::fread(&value, sizeof(value), 1, file) == 1, "reading an integer of the call");
  return value;
}

inline Call read_call(const char *path) {
  std::FILE *const file = std::fopen(path, "rb");
  require(file != nullptr, "opening the call");
  Call call;
  call.out_dtype = static_cast<int32_t>(read_integer(file));
  for (CallTensor &tensor : call.inputs) {
    tensor.dtype = static_cast<int32_t>(read_integer(file));
    tensor.extents.resize(static_cast<size_t>(read_integer(file)));
    for (int64_t &extent : tensor.extents) extent = read_integer(file);
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
