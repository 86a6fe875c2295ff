// 8-bit pixels, RGB to grey, and turning them upright, as an EXIF block says. Whatever is damaged
// there says nothing.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>
#include <utility>
#include <vector>

#include "vmamba_inference/error.hpp"
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

// Of an image as decoded and as resized; where Pillow refuses, too.
inline constexpr std::int64_t kMaxPixels = 178956970;

inline constexpr std::int64_t kGrey = 1, kRgb = 3;  // channels of what is in files

struct Size {
  std::int64_t height = 0;
  std::int64_t width = 0;
};

inline bool operator==(Size a, Size b) { return a.height == b.height && a.width == b.width; }
inline bool operator!=(Size a, Size b) { return !(a == b); }

// Rows from top to bottom, each `width` times `channels` values: red, green, blue of RGB.
struct Image {
  std::int64_t width = 0;
  std::int64_t height = 0;
  std::int64_t channels = kRgb;
  std::vector<std::uint8_t> pixels;

  Image() = default;
  Image(std::int64_t columns, std::int64_t rows, std::int64_t depth = kRgb)
      : width(columns),
        height(rows),
        channels(depth),
        pixels(static_cast<std::size_t>(columns * rows * depth)) {}

  std::uint8_t *row(std::int64_t y) { return pixels.data() + y * width * channels; }
  const std::uint8_t *row(std::int64_t y) const { return pixels.data() + y * width * channels; }
};

// The luma of ITU-R 601, rounded as Pillow does.
inline Image grey_of(const Image &rgb) {
  Image grey(rgb.width, rgb.height, kGrey);
  const std::uint8_t *in = rgb.pixels.data();
  for (std::uint8_t &value : grey.pixels) {
    value = static_cast<std::uint8_t>((19595 * in[0] + 38470 * in[1] + 7471 * in[2] + 32768) >> 16);
    in += kRgb;
  }
  return grey;
}

inline Error too_many_pixels(const std::string &name) {
  return input_file_error(name + " has more than 178,956,970 pixels", "make the image smaller");
}

// `orientation` as in EXIF: 1 is upright, and so is every number outside 1..8.
inline Image turn_upright(Image image, int orientation) {
  if (orientation < 2 || orientation > 8) return image;
  const bool transposed = orientation >= 5;
  const bool from_right = orientation == 2 || orientation == 3;
  const bool from_bottom = orientation == 3 || orientation == 4;
  Image upright(transposed ? image.height : image.width, transposed ? image.width : image.height);
  for (std::int64_t y = 0; y < upright.height; ++y) {
    std::uint8_t *out = upright.row(y);
    for (std::int64_t x = 0; x < upright.width; ++x, out += 3) {
      std::int64_t column = from_right ? image.width - 1 - x : x;
      std::int64_t row = from_bottom ? image.height - 1 - y : y;
      if (transposed) {  // the stored row is the upright column, counted from either end
        row = orientation == 5 || orientation == 8 ? x : image.height - 1 - x;
        column = orientation == 5 || orientation == 6 ? y : image.width - 1 - y;
      }
      const std::uint8_t *in = image.row(row) + column * 3;
      out[0] = in[0];
      out[1] = in[1];
      out[2] = in[2];
    }
  }
  return upright;
}

}  // namespace vmamba_inference
