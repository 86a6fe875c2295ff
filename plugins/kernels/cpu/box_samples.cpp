#include "cpu/box_samples.h"

#include <algorithm>
#include <cmath>

#include "vmamba/multi_level_roi_align.h"

namespace vmamba {
namespace {

// The range that holds both.
PixelRange joined(const PixelRange &one, const PixelRange &other) {
  if (one.count == 0) return other;
  if (other.count == 0) return one;
  const int64_t first = std::min(one.first, other.first);
  const int64_t end = std::max(one.first + one.count, other.first + other.count);
  return {first, end - first};
}

}  // namespace

int32_t level_of(const float *box) {
  constexpr auto kMost = static_cast<float>(VMAMBA_ROI_ALIGN_MAX_BOX_SIDE);
  const float width = box[2] - box[0], height = box[3] - box[1];
  // A NaN fails every comparison.
  if (!(width > 0.0f && height > 0.0f && width <= kMost && height <= kMost)) return -1;
  const float side = std::sqrt(width * height);
  const float scale = side / VMAMBA_ROI_ALIGN_CANONICAL_SIZE + VMAMBA_ROI_ALIGN_LEVEL_EPSILON;
  int32_t level = 0;
  while (level + 1 < VMAMBA_ROI_ALIGN_LEVELS && scale >= static_cast<float>(2 << level)) ++level;
  return level;
}

BoxAxis::BoxAxis(float low, float high, int32_t level, int32_t bins, int64_t size)
    : bins_(bins), size_(size) {
  const auto stride = static_cast<float>(VMAMBA_ROI_ALIGN_FIRST_STRIDE << level);
  start_ = low / stride - 0.5f;
  bin_size_ = (high / stride - 0.5f - start_) / static_cast<float>(bins);
  samples_ = static_cast<int32_t>(std::ceil(bin_size_));
  for (int32_t bin = 0; bin < bins_; ++bin) pixels_ = joined(pixels_, pixels_of(bin));
}

// Calls visit(lower, upper, share) for each sample that counts: pixels, and the share of the upper.
template <typename Visit>
void BoxAxis::visit_samples(int32_t bin, Visit &&visit) const {
  const auto size = static_cast<float>(size_);
  const float bin_start = start_ + static_cast<float>(bin) * bin_size_;
  for (int32_t i = 0; i < samples_; ++i) {
    const float offset = (static_cast<float>(i) + 0.5f) * bin_size_ / static_cast<float>(samples_);
    const float position = bin_start + offset;
    if (!(position >= -1.0f && position <= size)) continue;
    const float inside = std::min(std::max(position, 0.0f), size - 1.0f);
    const auto lower = static_cast<int64_t>(inside);
    visit(lower, std::min(lower + 1, size_ - 1), inside - static_cast<float>(lower));
  }
}

PixelRange BoxAxis::pixels_of(int32_t bin) const {
  PixelRange range;
  visit_samples(bin, [&range](int64_t lower, int64_t upper, float) {
    range = joined(range, {lower, upper - lower + 1});
  });
  return range;
}

void BoxAxis::add_weights(float *weights, int64_t bin_stride, int64_t pixel_stride) const {
  const float part = 1.0f / static_cast<float>(samples_);
  for (int32_t bin = 0; bin < bins_; ++bin) {
    float *const row = weights + bin * bin_stride;
    visit_samples(bin, [&](int64_t lower, int64_t upper, float share) {
      row[(lower - pixels_.first) * pixel_stride] += (1.0f - share) * part;
      row[(upper - pixels_.first) * pixel_stride] += share * part;
    });
  }
}

}  // namespace vmamba
