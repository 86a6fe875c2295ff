// 8-bit RGB pixels, and turning them upright.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "vmamba_inference/error.hpp"

namespace vmamba_inference {

// Of an image as decoded and as resized; where Pillow refuses, too.
inline constexpr std::int64_t kMaxPixels = 178956970;

// Rows from top to bottom, each `width` triples of red, green, blue.
struct RgbImage {
  std::int64_t width = 0;
  std::int64_t height = 0;
  std::vector<std::uint8_t> pixels;

  RgbImage() = default;
  RgbImage(std::int64_t columns, std::int64_t rows)
      : width(columns), height(rows), pixels(static_cast<std::size_t>(columns * rows * 3)) {}

  std::uint8_t *row(std::int64_t y) { return pixels.data() + y * width * 3; }
  const std::uint8_t *row(std::int64_t y) const { return pixels.data() + y * width * 3; }
};

inline Error too_many_pixels(const std::string &name) {
  return input_file_error(name + " has more than 178,956,970 pixels", "make the image smaller");
}

// `orientation` as in EXIF: 1 is upright, and so is every number outside 1..8.
inline RgbImage turn_upright(RgbImage image, int orientation) {
  if (orientation < 2 || orientation > 8) return image;
  const bool transposed = orientation >= 5;
  const bool from_right = orientation == 2 || orientation == 3;
  const bool from_bottom = orientation == 3 || orientation == 4;
  RgbImage upright(transposed ? image.height : image.width,
                   transposed ? image.width : image.height);
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
