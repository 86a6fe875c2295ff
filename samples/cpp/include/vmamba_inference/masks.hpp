// Masks of detections over the picture, as vmamba_deploy.tasks.masks pastes them.
#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "vmamba_inference/image.hpp"

namespace vmamba_inference {

using Box = std::array<double, 4>;  // x1, y1, x2, y2 in pixels of the picture

namespace detail {

inline constexpr double kForeground = 0.5;

// Pixels of an axis that a box can colour.
struct Touched {
  std::int64_t start, end;
};

inline Touched touched(double low, double high, std::int64_t length) {
  const auto within = [length](double place) {
    return static_cast<std::int64_t>(std::clamp(place, 0.0, static_cast<double>(length)));
  };
  const std::int64_t start = within(std::floor(low) - 1.0);
  return {start, std::max(start, within(std::ceil(high) + 1.0))};
}

// What a pixel's centre takes of each of the box's cells.
inline std::vector<double> sampling(std::int64_t pixel, double low, double high,
                                    std::size_t cells) {
  const double centre = static_cast<double>(pixel) + 0.5;
  const auto count = static_cast<double>(cells);
  double place = (centre - low) / (high - low) * count - 0.5;
  // Of a box without an extent the reference takes the middle.
  if (std::isinf(place)) place = count / 2.0 - 0.5;
  std::vector<double> weights(cells);
  for (std::size_t i = 0; i < cells; ++i) {
    const double weight = 1.0 - std::fabs(place - static_cast<double>(i));
    weights[i] = weight > 0.0 ? weight : 0.0;
  }
  return weights;
}

}  // namespace detail

// Call `paint(row, column)` for every pixel of a picture that belongs to a detection, whose `cells`
// [side,side] are probabilities.
template <typename Paint>
void paste_mask(const float *cells, std::size_t side, const Box &box, Size size, Paint &&paint) {
  const detail::Touched rows = detail::touched(box[1], box[3], size.height);
  const detail::Touched columns = detail::touched(box[0], box[2], size.width);
  std::vector<std::vector<double>> across;
  for (std::int64_t x = columns.start; x < columns.end; ++x) {
    across.push_back(detail::sampling(x, box[0], box[2], side));
  }
  std::vector<double> line(side);
  for (std::int64_t y = rows.start; y < rows.end; ++y) {
    const std::vector<double> down = detail::sampling(y, box[1], box[3], side);
    std::fill(line.begin(), line.end(), 0.0);
    for (std::size_t i = 0; i < side; ++i) {
      if (down[i] == 0.0) continue;
      for (std::size_t j = 0; j < side; ++j) {
        line[j] += down[i] * static_cast<double>(cells[i * side + j]);
      }
    }
    for (std::int64_t x = columns.start; x < columns.end; ++x) {
      const std::vector<double> &weights = across[static_cast<std::size_t>(x - columns.start)];
      double probability = 0.0;
      for (std::size_t j = 0; j < side; ++j) probability += weights[j] * line[j];
      if (probability >= detail::kForeground) paint(y, x);
    }
  }
}

}  // namespace vmamba_inference
