// From an image to what the network takes, as the manifest's `preprocessing` says: resize, crop,
// normalise. Bit by bit what vmamba_deploy.preprocessing gives: bicubic and antialiased, with the
// arithmetic of Pillow (coefficients of 22 bits, rows first, 8 bits between the passes). Only what
// the crop needs is computed.
#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "vmamba_inference/error.hpp"
#include "vmamba_inference/image.hpp"

namespace vmamba_inference {

// A window of `size` pixels from `start` along one axis; it may lie outside of the image.
struct Window {
  std::int64_t start = 0;
  std::int64_t size = 0;
};

namespace detail {

inline constexpr int kWeightBits = 22;

// The cubic convolution kernel with a = -0.5.
inline double cubic(double x) {
  constexpr double a = -0.5;
  x = std::fabs(x);
  if (x < 1.0) return ((a + 2.0) * x - (a + 3.0)) * x * x + 1.0;
  if (x < 2.0) return (((x - 5.0) * x + 8.0) * x - 4.0) * a;
  return 0.0;
}

// What one output pixel is made of: `weights` for the input pixels from `first`.
struct Taps {
  std::int64_t first = 0;
  std::vector<std::int32_t> weights;
};

inline Taps taps_of(std::int64_t out_index, std::int64_t in_size, std::int64_t out_size) {
  // Pillow keeps the box that is resized in single precision.
  const double scale =
      static_cast<double>(static_cast<float>(in_size)) / static_cast<double>(out_size);
  const double filter_scale = std::max(scale, 1.0);
  const double support = 2.0 * filter_scale, per_pixel = 1.0 / filter_scale;
  const double centre = (static_cast<double>(out_index) + 0.5) * scale;
  Taps taps;
  taps.first = std::max<std::int64_t>(static_cast<std::int64_t>(centre - support + 0.5), 0);
  const std::int64_t end = std::min(static_cast<std::int64_t>(centre + support + 0.5), in_size);
  std::vector<double> exact;
  double sum = 0.0;
  for (std::int64_t i = taps.first; i < end; ++i) {
    exact.push_back(cubic((static_cast<double>(i) - centre + 0.5) * per_pixel));
    sum += exact.back();
  }
  taps.weights.reserve(exact.size());
  for (double weight : exact) {
    if (sum != 0.0) weight /= sum;
    const double fixed = weight * (1 << kWeightBits);
    taps.weights.push_back(static_cast<std::int32_t>(fixed < 0 ? fixed - 0.5 : fixed + 0.5));
  }
  return taps;
}

inline std::vector<Taps> taps_of(Window window, std::int64_t in_size, std::int64_t out_size) {
  std::vector<Taps> all;
  all.reserve(static_cast<std::size_t>(window.size));
  for (std::int64_t i = 0; i < window.size; ++i) {
    all.push_back(taps_of(window.start + i, in_size, out_size));
  }
  return all;
}

// The weighted sum of pixels that are `stride` bytes apart.
inline void blend(const std::uint8_t *in, std::int64_t stride, const Taps &taps,
                  std::uint8_t *out) {
  std::int32_t sums[3] = {1 << (kWeightBits - 1), 1 << (kWeightBits - 1), 1 << (kWeightBits - 1)};
  for (const std::int32_t weight : taps.weights) {
    for (int i = 0; i < 3; ++i) sums[i] += in[i] * weight;
    in += stride;
  }
  for (int i = 0; i < 3; ++i) {
    out[i] = static_cast<std::uint8_t>(std::clamp(sums[i] >> kWeightBits, 0, 255));
  }
}

inline RgbImage resize_columns(const RgbImage &in, std::int64_t width, Window columns,
                               Window rows) {
  const std::vector<Taps> taps = taps_of(columns, in.width, width);
  RgbImage out(columns.size, rows.size);
  for (std::int64_t y = 0; y < rows.size; ++y) {
    for (std::int64_t x = 0; x < columns.size; ++x) {
      const Taps &mine = taps[static_cast<std::size_t>(x)];
      blend(in.row(rows.start + y) + mine.first * 3, 3, mine, out.row(y) + x * 3);
    }
  }
  return out;
}

inline RgbImage copy_window(const RgbImage &in, Window columns, Window rows) {
  RgbImage out(columns.size, rows.size);
  for (std::int64_t y = 0; y < rows.size; ++y) {
    std::copy_n(in.row(rows.start + y) + columns.start * 3, columns.size * 3, out.row(y));
  }
  return out;
}

}  // namespace detail

// The window of `image` resized to width x height. The window must lie inside.
inline RgbImage resize_window(const RgbImage &image, std::int64_t width, std::int64_t height,
                              Window columns, Window rows) {
  const bool same_height = height == image.height;
  std::vector<detail::Taps> taps;
  Window needed = rows;  // of the input's rows
  if (!same_height && rows.size > 0) {
    taps = detail::taps_of(rows, image.height, height);
    needed.start = taps.front().first;
    std::int64_t end = 0;
    for (const detail::Taps &row : taps) {
      end = std::max(end, row.first + static_cast<std::int64_t>(row.weights.size()));
    }
    needed.size = end - needed.start;
  }
  // A pass that changes nothing is left out: its rounding would show.
  RgbImage narrow = width == image.width ? detail::copy_window(image, columns, needed)
                                         : detail::resize_columns(image, width, columns, needed);
  if (same_height) return narrow;
  RgbImage out(columns.size, rows.size);
  for (std::int64_t y = 0; y < rows.size; ++y) {
    const detail::Taps &mine = taps[static_cast<std::size_t>(y)];
    const std::uint8_t *in = narrow.row(mine.first - needed.start);
    for (std::int64_t x = 0; x < columns.size; ++x) {
      detail::blend(in + x * 3, columns.size * 3, mine, out.row(y) + x * 3);
    }
  }
  return out;
}

struct Preprocessing {
  std::int64_t crop_height = 224;
  std::int64_t crop_width = 224;
  std::int64_t resize_pixels = 256;  // the shorter side, for a square crop
  std::array<float, 3> mean{0.485F, 0.456F, 0.406F};
  std::array<float, 3> std{0.229F, 0.224F, 0.225F};
  bool normalisation_in_graph = false;  // then the network takes uint8 [H,W,3]

  std::int64_t values_per_image() const { return 3 * crop_height * crop_width; }
  std::int64_t bytes_per_image() const {
    return values_per_image() * (normalisation_in_graph ? 1 : 4);
  }
};

namespace detail {

// Offset of a centred crop; halves go to the even number.
inline std::int64_t centre(std::int64_t length, std::int64_t crop) {
  const std::int64_t difference = length - crop;
  const std::int64_t floor = difference >= 0 ? difference / 2 : -((1 - difference) / 2);
  const bool half = difference % 2 != 0;
  return half && floor % 2 != 0 ? floor + 1 : floor;
}

// The part of a window that lies inside 0..length.
inline Window inside(Window window, std::int64_t length) {
  const std::int64_t start = std::clamp<std::int64_t>(window.start, 0, length);
  const std::int64_t end = std::clamp<std::int64_t>(window.start + window.size, start, length);
  return {start, end - start};
}

struct Size {
  std::int64_t height;
  std::int64_t width;
};

inline Size resized_size(std::int64_t height, std::int64_t width, const Preprocessing &spec) {
  const std::int64_t shorter = std::min(spec.crop_height, spec.crop_width);
  const std::int64_t target_height = spec.resize_pixels * spec.crop_height / shorter;
  const std::int64_t target_width = spec.resize_pixels * spec.crop_width / shorter;
  if (target_width * height >= target_height * width) {
    return {target_width * height / width, target_width};
  }
  return {target_height, target_height * width / height};
}

}  // namespace detail

// uint8 [crop_height, crop_width, 3]; a crop larger than the resized image has a black margin.
inline RgbImage resize_and_crop(const RgbImage &image, const Preprocessing &spec) {
  const auto [height, width] = detail::resized_size(image.height, image.width, spec);
  if (height > kMaxPixels || width > kMaxPixels || height * width > kMaxPixels) {
    throw input_file_error("an image of " + std::to_string(image.width) + "x" +
                               std::to_string(image.height) +
                               " pixels is too long and thin: it would be resized to " +
                               std::to_string(width) + "x" + std::to_string(height),
                           "crop it first");
  }
  const Window rows{detail::centre(height, spec.crop_height), spec.crop_height};
  const Window columns{detail::centre(width, spec.crop_width), spec.crop_width};
  const Window inner_rows = detail::inside(rows, height);
  const Window inner_columns = detail::inside(columns, width);
  RgbImage part = resize_window(image, width, height, inner_columns, inner_rows);
  if (part.width == columns.size && part.height == rows.size) return part;
  RgbImage crop(columns.size, rows.size);
  for (std::int64_t y = 0; y < part.height; ++y) {
    std::uint8_t *const out = crop.row(y + inner_rows.start - rows.start);
    std::copy_n(part.row(y), part.width * 3, out + (inner_columns.start - columns.start) * 3);
  }
  return crop;
}

// float32 [3, crop_height, crop_width] to `out`: (value / 255 - mean) / std of each channel.
inline void normalise(const RgbImage &crop, const Preprocessing &spec, float *out) {
  for (std::size_t channel = 0; channel < 3; ++channel) {
    for (std::size_t i = channel; i < crop.pixels.size(); i += 3) {
      const float value = static_cast<float>(crop.pixels[i]) / 255.0F;
      *out++ = (value - spec.mean[channel]) / spec.std[channel];
    }
  }
}

}  // namespace vmamba_inference
