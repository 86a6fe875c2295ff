// From an image to what the network takes, as the manifest's `preprocessing` says: resize, crop,
// normalise. Bit by bit what vmamba_deploy.preprocessing gives: antialiased, with the filters and
// the arithmetic of Pillow (coefficients of 22 bits, rows first, 8 bits between the passes). Only
// what the crop needs is computed. Pictures that have to fit are resized as OpenCV does instead,
// and padded behind the normalisation.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "vmamba_inference/error.hpp"
#include "vmamba_inference/image.hpp"
#include "vmamba_inference/opencv_bilinear.hpp"

namespace vmamba_inference {

// A window of `size` pixels from `start` along one axis; it may lie outside of the image.
struct Window {
  std::int64_t start = 0;
  std::int64_t size = 0;
};

namespace detail {

inline constexpr int kWeightBits = 22;
inline constexpr double kPi = 3.14159265358979323846;

inline double sinc(double x) { return x == 0.0 ? 1.0 : std::sin(x * kPi) / (x * kPi); }

inline double linear(double x) { return std::max(1.0 - std::fabs(x), 0.0); }

inline double hamming(double x) {
  if (std::fabs(x) >= 1.0) return 0.0;
  return sinc(std::fabs(x)) * (0.54F + 0.46F * std::cos(std::fabs(x) * kPi));
}

// Cubic convolution with a = -0.5.
inline double cubic(double x) {
  constexpr double a = -0.5;
  x = std::fabs(x);
  if (x < 1.0) return ((a + 2.0) * x - (a + 3.0)) * x * x + 1.0;
  if (x < 2.0) return (((x - 5.0) * x + 8.0) * x - 4.0) * a;
  return 0.0;
}

inline double lanczos(double x) { return x >= -3.0 && x < 3.0 ? sinc(x) * sinc(x / 3.0) : 0.0; }

}  // namespace detail

// What a pixel at some distance counts, in pixels of the smaller image; nothing beyond `reach`.
struct Filter {
  const char *name;
  double reach;
  double (*weight)(double);
};

inline constexpr Filter kFilters[] = {{"bilinear", 1.0, detail::linear},
                                      {"hamming", 1.0, detail::hamming},
                                      {"bicubic", 2.0, detail::cubic},
                                      {"lanczos", 3.0, detail::lanczos}};
inline constexpr const Filter &kBicubic = kFilters[2];

namespace detail {

// What one output pixel is made of: `weights` for the input pixels from `first`.
struct Taps {
  std::int64_t first = 0;
  std::vector<std::int32_t> weights;
};

inline Taps taps_of(std::int64_t out_index, std::int64_t in_size, std::int64_t out_size,
                    const Filter &filter) {
  // Pillow keeps the box that is resized in single precision.
  const double scale =
      static_cast<double>(static_cast<float>(in_size)) / static_cast<double>(out_size);
  const double filter_scale = std::max(scale, 1.0);
  const double support = filter.reach * filter_scale, per_pixel = 1.0 / filter_scale;
  const double centre = (static_cast<double>(out_index) + 0.5) * scale;
  Taps taps;
  taps.first = std::max<std::int64_t>(static_cast<std::int64_t>(centre - support + 0.5), 0);
  const std::int64_t end = std::min(static_cast<std::int64_t>(centre + support + 0.5), in_size);
  std::vector<double> exact;
  double sum = 0.0;
  for (std::int64_t i = taps.first; i < end; ++i) {
    exact.push_back(filter.weight((static_cast<double>(i) - centre + 0.5) * per_pixel));
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

inline std::vector<Taps> taps_of(Window window, std::int64_t in_size, std::int64_t out_size,
                                 const Filter &filter) {
  std::vector<Taps> all;
  all.reserve(static_cast<std::size_t>(window.size));
  for (std::int64_t i = 0; i < window.size; ++i) {
    all.push_back(taps_of(window.start + i, in_size, out_size, filter));
  }
  return all;
}

// The weighted sum of pixels that are `stride` bytes apart, of each channel.
inline void blend(const std::uint8_t *in, std::int64_t stride, const Taps &taps, std::uint8_t *out,
                  std::int64_t channels) {
  for (std::int64_t channel = 0; channel < channels; ++channel) {
    std::int32_t sum = 1 << (kWeightBits - 1);
    const std::uint8_t *value = in + channel;
    for (const std::int32_t weight : taps.weights) {
      sum += *value * weight;
      value += stride;
    }
    out[channel] = static_cast<std::uint8_t>(std::clamp(sum >> kWeightBits, 0, 255));
  }
}

inline Image resize_columns(const Image &in, std::int64_t width, Window columns, Window rows,
                            const Filter &filter) {
  const std::vector<Taps> taps = taps_of(columns, in.width, width, filter);
  Image out(columns.size, rows.size, in.channels);
  for (std::int64_t y = 0; y < rows.size; ++y) {
    for (std::int64_t x = 0; x < columns.size; ++x) {
      const Taps &mine = taps[static_cast<std::size_t>(x)];
      const std::uint8_t *const first = in.row(rows.start + y) + mine.first * in.channels;
      blend(first, in.channels, mine, out.row(y) + x * in.channels, in.channels);
    }
  }
  return out;
}

inline Image copy_window(const Image &in, Window columns, Window rows) {
  Image out(columns.size, rows.size, in.channels);
  for (std::int64_t y = 0; y < rows.size; ++y) {
    std::copy_n(in.row(rows.start + y) + columns.start * in.channels, columns.size * in.channels,
                out.row(y));
  }
  return out;
}

}  // namespace detail

// The window of `image` resized to width x height. The window must lie inside.
inline Image resize_window(const Image &image, std::int64_t width, std::int64_t height,
                           Window columns, Window rows, const Filter &filter = kBicubic) {
  const bool same_height = height == image.height;
  std::vector<detail::Taps> taps;
  Window needed = rows;  // of the input's rows
  if (!same_height && rows.size > 0) {
    taps = detail::taps_of(rows, image.height, height, filter);
    needed.start = taps.front().first;
    std::int64_t end = 0;
    for (const detail::Taps &row : taps) {
      end = std::max(end, row.first + static_cast<std::int64_t>(row.weights.size()));
    }
    needed.size = end - needed.start;
  }
  // A pass that changes nothing is left out: its rounding would show.
  Image narrow = width == image.width
                     ? detail::copy_window(image, columns, needed)
                     : detail::resize_columns(image, width, columns, needed, filter);
  if (same_height) return narrow;
  const std::int64_t channels = image.channels;
  Image out(columns.size, rows.size, channels);
  for (std::int64_t y = 0; y < rows.size; ++y) {
    const detail::Taps &mine = taps[static_cast<std::size_t>(y)];
    const std::uint8_t *in = narrow.row(mine.first - needed.start);
    for (std::int64_t x = 0; x < columns.size; ++x) {
      detail::blend(in + x * channels, columns.size * channels, mine, out.row(y) + x * channels,
                    channels);
    }
  }
  return out;
}

// A picture keeps its ratio and becomes as large as fits; then zeros fill its sides up to multiples
// of `pad`, or the frame crop_height x crop_width where that is `fixed`.
struct Fit {
  std::int64_t longest = 1;
  std::int64_t shortest = 1;
  std::int64_t pad = 1;
  bool fixed = false;
};

struct Preprocessing {
  std::int64_t crop_height = 224;
  std::int64_t crop_width = 224;
  std::int64_t resize_pixels = 256;  // the shorter side, for a square crop
  Filter filter = kBicubic;
  std::vector<float> mean{0.485F, 0.456F, 0.406F};  // of each channel
  std::vector<float> std{0.229F, 0.224F, 0.225F};
  bool normalisation_in_graph = false;  // then the network takes uint8 [H,W,C]
  bool stretched = false;  // resized straight to the crop's size, whatever the image's shape
  std::optional<Fit> fit;  // then neither resize_pixels nor the filter counts

  Size crop() const { return {crop_height, crop_width}; }
  std::int64_t channels() const { return static_cast<std::int64_t>(mean.size()); }
  std::int64_t values_per_image() const { return channels() * crop_height * crop_width; }
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

inline Size fitted_size(std::int64_t height, std::int64_t width, const Preprocessing &spec) {
  const auto share = [](std::int64_t of, std::int64_t side) {
    return static_cast<double>(of) / static_cast<double>(side);
  };
  double factor = std::min(share(spec.fit->longest, std::max(height, width)),
                           share(spec.fit->shortest, std::min(height, width)));
  if (spec.fit->fixed) {
    factor = std::min({factor, share(spec.crop_height, height), share(spec.crop_width, width)});
  }
  const auto side = [factor](std::int64_t length) {
    const double exact = static_cast<double>(length) * factor;
    return std::max<std::int64_t>(1, static_cast<std::int64_t>(exact + 0.5));
  };
  return {side(height), side(width)};
}

}  // namespace detail

inline Size resized_size(std::int64_t height, std::int64_t width, const Preprocessing &spec) {
  if (spec.stretched) return {spec.crop_height, spec.crop_width};
  if (spec.fit) return detail::fitted_size(height, width, spec);
  const std::int64_t shorter = std::min(spec.crop_height, spec.crop_width);
  const std::int64_t target_height = spec.resize_pixels * spec.crop_height / shorter;
  const std::int64_t target_width = spec.resize_pixels * spec.crop_width / shorter;
  if (target_width * height >= target_height * width) {
    return {target_width * height / width, target_width};
  }
  return {target_height, target_height * width / height};
}

// Of the network's input for an image that is resized to `size`.
inline Size padded_size(Size size, const Preprocessing &spec) {
  if (!spec.fit || spec.fit->fixed) return {spec.crop_height, spec.crop_width};
  const std::int64_t pad = spec.fit->pad;
  return {(size.height + pad - 1) / pad * pad, (size.width + pad - 1) / pad * pad};
}

// uint8 [crop_height, crop_width, C]; a crop larger than the resized image has a black margin. A
// picture that has to fit comes whole, as large as fits, and not yet padded.
inline Image resize_and_crop(const Image &image, const Preprocessing &spec) {
  const auto [height, width] = resized_size(image.height, image.width, spec);
  if (height > kMaxPixels || width > kMaxPixels || height * width > kMaxPixels) {
    throw input_file_error("an image of " + std::to_string(image.width) + "x" +
                               std::to_string(image.height) +
                               " pixels is too long and thin: it would be resized to " +
                               std::to_string(width) + "x" + std::to_string(height),
                           "crop it first");
  }
  if (spec.fit) return resize_as_opencv(image, width, height);
  const Window rows{detail::centre(height, spec.crop_height), spec.crop_height};
  const Window columns{detail::centre(width, spec.crop_width), spec.crop_width};
  const Window inner_rows = detail::inside(rows, height);
  const Window inner_columns = detail::inside(columns, width);
  Image part = resize_window(image, width, height, inner_columns, inner_rows, spec.filter);
  if (part.width == columns.size && part.height == rows.size) return part;
  const std::int64_t channels = part.channels;
  Image crop(columns.size, rows.size, channels);
  for (std::int64_t y = 0; y < part.height; ++y) {
    std::uint8_t *const out = crop.row(y + inner_rows.start - rows.start);
    std::copy_n(part.row(y), part.width * channels,
                out + (inner_columns.start - columns.start) * channels);
  }
  return crop;
}

// float32 [C, H, W] to `out`: (value / 255 - mean) / std of each channel. H and W are the image's,
// or those of `padded_size`, and what is right of the image and below it is 0.
inline void normalise(const Image &image, const Preprocessing &spec, float *out) {
  const Size padded =
      spec.fit ? padded_size({image.height, image.width}, spec) : Size{image.height, image.width};
  const std::size_t channels = spec.mean.size();
  for (std::size_t channel = 0; channel < channels; ++channel) {
    for (std::int64_t y = 0; y < image.height; ++y) {
      const std::uint8_t *in = image.row(y) + channel;
      for (std::int64_t x = 0; x < image.width; ++x, in += channels) {
        *out++ = (static_cast<float>(*in) / 255.0F - spec.mean[channel]) / spec.std[channel];
      }
      out = std::fill_n(out, padded.width - image.width, 0.0F);
    }
    out = std::fill_n(out, (padded.height - image.height) * padded.width, 0.0F);
  }
}

}  // namespace vmamba_inference
