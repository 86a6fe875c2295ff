// OpenCV's bilinear resize of bytes, to the bit: two taps an axis, whatever the scale. Nothing is
// averaged where the image shrinks. docs/preprocessing.md has the arithmetic.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "vmamba_inference/image.hpp"

namespace vmamba_inference {

namespace detail {

// What a pixel of a resized axis is made of: two places of the source, in parts of 2048.
struct TwoTaps {
  std::int64_t first, second;
  std::int32_t of_first, of_second;
};

// Outside of the outermost centres a pixel is blended with itself.
inline std::vector<TwoTaps> two_taps(std::int64_t length, std::int64_t resized) {
  constexpr float one = 2048.0F;
  const double scale = static_cast<double>(length) / static_cast<double>(resized);
  std::vector<TwoTaps> taps;
  taps.reserve(static_cast<std::size_t>(resized));
  for (std::int64_t i = 0; i < resized; ++i) {
    const double exact = (static_cast<double>(i) + 0.5) * scale;
    const float place = static_cast<float>(exact - 0.5);
    const float floor = std::floor(place);
    const auto below = static_cast<std::int64_t>(floor);
    const float share = place - floor;
    taps.push_back({std::clamp<std::int64_t>(below, 0, length - 1),
                    std::clamp<std::int64_t>(below + 1, 0, length - 1),
                    static_cast<std::int32_t>(std::nearbyint((1.0F - share) * one)),
                    static_cast<std::int32_t>(std::nearbyint(share * one))});
  }
  return taps;
}

// One row at its new width, in units of 1/128.
inline void narrow_row(const std::uint8_t *in, const std::vector<TwoTaps> &columns,
                       std::int64_t channels, std::int32_t *out) {
  for (const TwoTaps &tap : columns) {
    for (std::int64_t channel = 0; channel < channels; ++channel) {
      *out++ = (in[tap.first * channels + channel] * tap.of_first +
                in[tap.second * channels + channel] * tap.of_second) >>
               4;
    }
  }
}

}  // namespace detail

inline Image resize_as_opencv(const Image &in, std::int64_t width, std::int64_t height) {
  const std::vector<detail::TwoTaps> columns = detail::two_taps(in.width, width);
  const std::vector<detail::TwoTaps> rows = detail::two_taps(in.height, height);
  Image out(width, height, in.channels);
  const auto values = static_cast<std::size_t>(width * in.channels);
  std::vector<std::int32_t> above(values), below(values);
  std::int64_t has_above = -1, has_below = -1;
  for (std::int64_t y = 0; y < height; ++y) {
    const detail::TwoTaps &tap = rows[static_cast<std::size_t>(y)];
    if (tap.first == has_below) {
      above.swap(below);
      std::swap(has_above, has_below);
    }
    if (tap.first != has_above) {
      detail::narrow_row(in.row(tap.first), columns, in.channels, above.data());
      has_above = tap.first;
    }
    if (tap.second != has_below) {
      detail::narrow_row(in.row(tap.second), columns, in.channels, below.data());
      has_below = tap.second;
    }
    std::uint8_t *const line = out.row(y);
    for (std::size_t i = 0; i < values; ++i) {
      const std::int32_t sum =
          ((above[i] * tap.of_first) >> 16) + ((below[i] * tap.of_second) >> 16);
      line[i] = static_cast<std::uint8_t>((sum + 2) >> 2);
    }
  }
  return out;
}

}  // namespace vmamba_inference
