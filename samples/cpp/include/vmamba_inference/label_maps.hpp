// From what a segmentation network gives to the classes of the picture's own pixels: bit by bit the
// arithmetic of vmamba_deploy.tasks.label_maps but for the order of sums.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "vmamba_inference/image.hpp"

namespace vmamba_inference {

namespace detail {

// What a pixel takes of an axis: `weights` for the places from `first`.
struct Blend {
  std::int64_t first = 0;
  std::vector<double> weights;
};

// Centres at halves (align_corners false); outside of the outermost ones those count alone.
inline Blend bilinear(std::int64_t i, std::int64_t source, std::int64_t length) {
  const double scale = static_cast<double>(source) / static_cast<double>(length);
  const double exact = (static_cast<double>(i) + 0.5) * scale;
  const double place = std::max(exact - 0.5, 0.0);
  const std::int64_t first = std::min(static_cast<std::int64_t>(place), source - 1);
  const double share = place - static_cast<double>(first);
  if (first + 1 >= source) return {first, {1.0}};
  return {first, {1.0 - share, share}};
}

// Both resizes of an axis at once: logits to the input, and what is picture there to the picture.
inline std::vector<Blend> both_resizes(std::int64_t logits, std::int64_t padded,
                                       std::int64_t resized, std::int64_t original) {
  std::vector<Blend> all;
  for (std::int64_t i = 0; i < original; ++i) {
    const Blend of_input = bilinear(i, resized, original);
    Blend blend{bilinear(of_input.first, logits, padded).first, {}};
    for (std::size_t j = 0; j < of_input.weights.size(); ++j) {
      const Blend part = bilinear(of_input.first + static_cast<std::int64_t>(j), logits, padded);
      const auto offset = static_cast<std::size_t>(part.first - blend.first);
      blend.weights.resize(std::max(blend.weights.size(), offset + part.weights.size()));
      for (std::size_t k = 0; k < part.weights.size(); ++k) {
        blend.weights[offset + k] += of_input.weights[j] * part.weights[k];
      }
    }
    all.push_back(blend);
  }
  return all;
}

// The weighted sum of rows of `count` values that are `stride` values apart.
inline void blend_rows(const float *rows, std::size_t stride, const Blend &blend, std::size_t count,
                       float *out) {
  std::fill_n(out, count, 0.0F);
  const float *row = rows + static_cast<std::size_t>(blend.first) * stride;
  for (const double weight : blend.weights) {
    const auto part = static_cast<float>(weight);
    for (std::size_t i = 0; i < count; ++i) out[i] += part * row[i];
    row += stride;
  }
}

}  // namespace detail

// [original] of logits [classes,h,w] of the whole input; ties go to the lower class. A single logit
// stands for two classes: 1 where it is above 0.
inline std::vector<std::int32_t> labels_from_logits(const float *logits, std::size_t classes,
                                                    Size size, Size padded, Size resized,
                                                    Size original) {
  const auto area = static_cast<std::size_t>(size.height * size.width);
  std::vector<float> last(area * classes);  // classes behind
  for (std::size_t c = 0; c < classes; ++c) {
    for (std::size_t i = 0; i < area; ++i) last[i * classes + c] = logits[c * area + i];
  }
  const auto rows =
      detail::both_resizes(size.height, padded.height, resized.height, original.height);
  const auto columns =
      detail::both_resizes(size.width, padded.width, resized.width, original.width);
  const std::size_t stride = static_cast<std::size_t>(size.width) * classes;
  std::vector<float> band(stride), scores(classes);
  std::vector<std::int32_t> labels;
  labels.reserve(static_cast<std::size_t>(original.height * original.width));
  for (const detail::Blend &row : rows) {
    detail::blend_rows(last.data(), stride, row, stride, band.data());
    for (const detail::Blend &column : columns) {
      detail::blend_rows(band.data(), classes, column, classes, scores.data());
      const auto best = std::max_element(scores.begin(), scores.end());
      const bool yes = classes == 1 && scores.front() > 0;
      labels.push_back(yes ? 1 : static_cast<std::int32_t>(best - scores.begin()));
    }
  }
  return labels;
}

// [original] of labels [H,W] of the whole input, each by its nearest pixel.
inline std::vector<std::int32_t> labels_from_map(const std::int32_t *map, Size padded, Size resized,
                                                 Size original) {
  std::vector<std::int32_t> labels;
  labels.reserve(static_cast<std::size_t>(original.height * original.width));
  for (std::int64_t y = 0; y < original.height; ++y) {
    const std::int64_t row = (2 * y + 1) * resized.height / (2 * original.height);
    for (std::int64_t x = 0; x < original.width; ++x) {
      const std::int64_t column = (2 * x + 1) * resized.width / (2 * original.width);
      labels.push_back(map[row * padded.width + column]);
    }
  }
  return labels;
}

}  // namespace vmamba_inference
