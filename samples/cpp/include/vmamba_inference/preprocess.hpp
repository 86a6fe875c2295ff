// From an image to what the network takes, as the manifest's `preprocessing` says: resize, crop,
// normalise. Bit by bit what vmamba_deploy.preprocessing gives.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "vmamba_inference/error.hpp"
#include "vmamba_inference/image.hpp"
#include "vmamba_inference/resample.hpp"

namespace vmamba_inference {

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
