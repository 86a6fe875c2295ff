// The orientation in an EXIF block. Whatever is damaged there says nothing: 1.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>

#include "vmamba_inference/file.hpp"

namespace vmamba_inference {

namespace detail {

// A TIFF structure, read within its bounds: outside of them everything is 0.
class TiffReader {
 public:
  TiffReader(const std::uint8_t *data, std::size_t size) : data_(data), size_(size) {
    big_ = size_ >= 2 && data_[0] == 'M' && data_[1] == 'M';
  }

  bool valid() const {
    if (size_ < 8 || data_[0] != data_[1] || (data_[0] != 'M' && data_[0] != 'I')) return false;
    return data_[2] + data_[3] == 42 && (data_[2] == 42 || data_[3] == 42);
  }
  std::uint32_t u16(std::size_t at) const {
    return big_ ? byte(at) << 8 | byte(at + 1) : low16(at);
  }
  std::uint32_t u32(std::size_t at) const {
    return big_ ? u16(at) << 16 | u16(at + 2) : u16(at + 2) << 16 | u16(at);
  }

 private:
  std::uint32_t byte(std::size_t at) const { return at < size_ ? data_[at] : 0U; }
  std::uint32_t low16(std::size_t at) const { return byte(at + 1) << 8 | byte(at); }

  const std::uint8_t *data_;
  std::size_t size_;
  bool big_ = false;
};

}  // namespace detail

// `exif`: with or without the leading "Exif\0\0".
inline int exif_orientation(const Bytes &exif) {
  constexpr std::uint32_t kOrientation = 0x0112, kShort = 3, kLong = 4;
  std::size_t start = 0;
  for (int i = 0; i < 2; ++i) {  // some writers repeat it
    if (exif.size() >= start + 6 && std::memcmp(exif.data() + start, "Exif\0\0", 6) == 0)
      start += 6;
  }
  const detail::TiffReader tiff(exif.data() + start, exif.size() - start);
  if (!tiff.valid()) return 1;
  const std::size_t folder = tiff.u32(4);
  const std::uint32_t entries = tiff.u16(folder);
  for (std::uint32_t i = 0; i < entries; ++i) {
    const std::size_t entry = folder + 2 + 12 * static_cast<std::size_t>(i);
    if (tiff.u16(entry) != kOrientation) continue;
    const std::uint32_t type = tiff.u16(entry + 2), count = tiff.u32(entry + 4);
    if ((type != kShort && type != kLong) || count == 0) return 1;
    const bool inlined = count * (type == kShort ? 2ULL : 4ULL) <= 4;
    const std::size_t value = inlined ? entry + 8 : tiff.u32(entry + 8);
    const std::uint32_t found = type == kShort ? tiff.u16(value) : tiff.u32(value);
    return found >= 1 && found <= 8 ? static_cast<int>(found) : 1;
  }
  return 1;
}

}  // namespace vmamba_inference
