// What the harnesses of the C interface share: numbers of each dtype in memory, and promises that
// hold for every op.
#pragma once

#include <cmath>
#include <cstdint>
#include <cstring>

#include "bytes.h"
#include "vmamba/common.h"

namespace vmamba::tests {

inline size_t bytes_of(int32_t dtype) { return dtype == VMAMBA_FLOAT32 ? 4 : 2; }

inline float as_float(uint32_t bits) {
  float value;
  std::memcpy(&value, &bits, sizeof(value));
  return value;
}

inline uint32_t as_bits(float value) {
  uint32_t bits;
  std::memcpy(&bits, &value, sizeof(bits));
  return bits;
}

// The nearest of few numbers that every dtype holds exactly: multiples of 1/32 up to 4.
inline float plain_value(uint8_t byte) {
  return static_cast<float>(static_cast<int8_t>(byte)) / 32.0f;
}

inline void store(unsigned char *target, int32_t dtype, float value) {
  const uint32_t bits = as_bits(value);
  uint16_t narrow = static_cast<uint16_t>(bits >> 16);
  if (dtype == VMAMBA_FLOAT16 && value != 0.0f) {  // the exponent's bias is 15 instead of 127
    narrow = static_cast<uint16_t>((narrow & 0x8000) | (((bits >> 13) - (112u << 10)) & 0x7fff));
  }
  if (dtype == VMAMBA_FLOAT32) {
    std::memcpy(target, &bits, 4);
  } else {
    std::memcpy(target, &narrow, 2);
  }
}

inline double load(const unsigned char *source, int32_t dtype) {
  if (dtype == VMAMBA_FLOAT32) {
    uint32_t bits;
    std::memcpy(&bits, source, 4);
    return as_float(bits);
  }
  uint16_t narrow;
  std::memcpy(&narrow, source, 2);
  if (dtype == VMAMBA_BFLOAT16) return as_float(static_cast<uint32_t>(narrow) << 16);
  const int exponent = narrow >> 10 & 31, fraction = narrow & 1023;
  const double size = exponent == 0    ? std::ldexp(fraction, -24)
                      : exponent == 31 ? (fraction == 0 ? INFINITY : NAN)
                                       : std::ldexp(1024 + fraction, exponent - 25);
  return (narrow & 0x8000) != 0 ? -size : size;
}

// A NaN keeps the sign and the payload of one of its operands, whichever the compiler put first.
inline bool equal_bits(int32_t dtype, const Memory &y, const Memory &again) {
  const size_t size = bytes_of(dtype);
  for (size_t at = 0; at < y.size; at += size) {
    const unsigned char *const left = y.data.get() + at, *const right = again.data.get() + at;
    const bool equal = std::memcmp(left, right, size) == 0;
    if (!equal && !(std::isnan(load(left, dtype)) && std::isnan(load(right, dtype)))) return false;
  }
  return true;
}

inline void run_backwards(void *, int64_t count, vmamba_task task, void *arg) {
  for (int64_t i = count - 1; i >= 0; --i) task(arg, i);
}

inline void refuse(vmamba_status status) {
  promise(status == VMAMBA_INVALID_ARGUMENT, "what is invalid is refused as such");
  promise(vmamba_last_error()[0] != '\0', "a refusal has a text");
}

inline int32_t take_dtype(Bytes &bytes) {
  constexpr int32_t kDtypes[] = {VMAMBA_FLOAT32, VMAMBA_FLOAT16, VMAMBA_BFLOAT16};
  const int32_t kind = bytes.choice(16);
  return kind < 15 ? kDtypes[kind % 3] : bytes.take<int32_t>();
}

// What an op may take and give.
inline bool are_dtypes(int32_t in, int32_t out) {
  const bool known = in == VMAMBA_FLOAT32 || in == VMAMBA_FLOAT16 || in == VMAMBA_BFLOAT16;
  return known && (out == VMAMBA_FLOAT32 || out == in);
}

// The functions of an op's C interface.
template <typename Desc, typename Args>
struct Interface {
  vmamba_status (*validate)(const Desc *);
  vmamba_status (*run)(const Desc *, const Args *, const vmamba_executor *);
};

// What holds of any description: it is refused with a text unless it is valid; a valid one is tried
// by `try_call` where that takes neither long nor much memory.
template <typename Desc, typename Args, typename Try>
void run_described(const Interface<Desc, Args> &op, const Desc &desc, bool valid, bool small,
                   const Try &try_call) {
  const vmamba_status status = op.validate(&desc);
  promise((status == VMAMBA_OK) == valid, "what the header allows is valid");
  const Args nothing{};
  if (status != VMAMBA_OK) {
    refuse(status);
    refuse(op.run(&desc, &nothing, nullptr));
  } else if (small) {
    try_call();
  } else {
    refuse(op.run(&desc, nullptr, nullptr));
  }
}

}  // namespace vmamba::tests
