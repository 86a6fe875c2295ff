// What the native harnesses share: an input taken piece by piece, and what a broken promise does.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>

namespace vmamba::tests {

// Ends the program, so that libFuzzer keeps the input.
inline void promise(bool kept, const char *what) {
  if (kept) return;
  std::fprintf(stderr, "broken promise: %s\n", what);
  std::abort();
}

// Zeros follow the last byte.
class Bytes {
 public:
  Bytes(const uint8_t *data, size_t size) : data_(data), left_(size) {}

  template <typename T>
  T take() {
    T value{};
    const size_t count = std::min(sizeof(T), left_);
    std::memcpy(&value, data_, count);
    data_ += count;
    left_ -= count;
    return value;
  }

  // One of `count` choices.
  int32_t choice(int32_t count) { return take<uint8_t>() % count; }

  // Mostly 0..8, else any number.
  int64_t extent() {
    const auto kind = take<uint8_t>();
    if (kind < 224) return kind % 9;
    return kind < 240 ? take<int16_t>() : take<int64_t>();
  }

 private:
  const uint8_t *data_;
  size_t left_;
};

// Memory of exactly so many bytes, so that the sanitizer sees the first one beyond.
struct Memory {
  explicit Memory(size_t bytes) : size(bytes), data(new unsigned char[bytes]()) {}
  size_t size;
  std::unique_ptr<unsigned char[]> data;
};

}  // namespace vmamba::tests
