// RoIAlign of one box: A_y F A_x^T for each channel, with the weights of its samples as the two
// matrices.
//
// First the rows of each bin are summed up, a vector of columns at a time, as they lie in memory;
// then the columns, a vector of bins at a time. A vector may reach past the last column or bin:
// what it finds there is not used, and what it writes there is written again by the next row.
#ifndef VMAMBA_KERNELS_CPU_BOX_POOL_H
#define VMAMBA_KERNELS_CPU_BOX_POOL_H

#include "cpu/cpu_build.h"
#include "cpu/lanes.h"
#include "cpu/vector_math.h"

namespace vmamba {
namespace VMAMBA_BUILD {

template <typename In, typename Out>
class BoxPool {
 public:
  explicit BoxPool(const PoolTask &task)
      : task_(task),
        columns_(task.columns.count),
        padded_columns_(padded(task.columns.count, kLanes)),
        padded_bins_(padded(task.bins, kLanes)),
        y_end_(static_cast<Out *>(task.y) + task.channels * task.bins * task.bins) {}

  void run() {
    const int64_t pixels = task_.height * task_.width, bins = task_.bins;
    const int64_t first = task_.rows.first * task_.width + task_.columns.first;
    const int64_t last = (task_.rows.first + task_.rows.count - 1) * task_.width +
                         task_.columns.first + padded_columns_;
    const In *plane = static_cast<const In *>(task_.map);
    Out *y = static_cast<Out *>(task_.y);
    for (int64_t channel = 0; channel < task_.channels; ++channel) {
      fetch_rows(plane + pixels + first);
      // Whether every vector lies within the tensor.
      if (channel * pixels + last <= task_.readable) {
        pool_rows<true>(plane + first);
      } else {
        pool_rows<false>(plane + first);
      }
      pool_columns(y);
      plane += pixels;
      y += bins * bins;
    }
  }

 private:
  // A channel's rows lie far from those of the channel before: no hardware sees them coming.
  void fetch_rows(const In *pixels) const {
    constexpr int64_t kLine = 64 / sizeof(In);
    for (int64_t row = 0; row < task_.rows.count; ++row, pixels += task_.width) {
      for (int64_t at = 0; at < columns_ + kLine; at += kLine) __builtin_prefetch(pixels + at);
    }
  }

  // pooled_rows = A_y F
  template <bool kWhole>
  void pool_rows(const In *pixels) {
    const float *weights = task_.row_weights;
    float *pooled = task_.pooled_rows;
    for (int32_t bin = 0; bin < task_.bins; ++bin) {
      const PixelRange rows = task_.bin_rows[bin];
      const int64_t skipped = rows.first - task_.rows.first;
      for (int64_t at = 0; at < columns_; at += kLanes) {
        const int64_t left = columns_ - at;
        const int count = kWhole || left > kLanes ? kLanes : static_cast<int>(left);
        const In *source = pixels + skipped * task_.width + at;
        Vec sum = splat(0.0f);
        for (int64_t row = 0; row < rows.count; ++row, source += task_.width) {
          sum = fma(splat(weights[skipped + row]), load_lanes(source, count), sum);
        }
        store(pooled + at, sum);
      }
      weights += task_.rows.count;
      pooled += padded_columns_;
    }
  }

  // y = pooled_rows A_x^T, some rows at a time: their sums hide each other's latency.
  void pool_columns(Out *y) {
    for (int32_t row = 0; row < task_.bins; row += kPoolRows) {
      float sums[kPoolRows][VMAMBA_ROI_ALIGN_MAX_OUTPUT_SIZE];
      for (int64_t at = 0; at < task_.bins; at += kLanes) {
        Vec sum[kPoolRows];
        VMAMBA_UNROLL for (int r = 0; r < kPoolRows; ++r) sum[r] = splat(0.0f);
        const float *weights = task_.column_weights + at;
        const float *pooled = task_.pooled_rows + row * padded_columns_;
        for (int64_t column = 0; column < columns_; ++column, weights += padded_bins_) {
          const Vec weight = load(weights);
          VMAMBA_UNROLL for (int r = 0; r < kPoolRows; ++r) {
            sum[r] = fma(splat(pooled[r * padded_columns_ + column]), weight, sum[r]);
          }
        }
        VMAMBA_UNROLL for (int r = 0; r < kPoolRows; ++r) store(sums[r] + at, sum[r]);
      }
      for (int r = 0; r < kPoolRows && row + r < task_.bins; ++r) {
        write(y + static_cast<int64_t>(row + r) * task_.bins, sums[r]);
      }
    }
  }

  // A row of bins, in whole vectors as far as the task's memory goes.
  void write(Out *row, const float *sums) {
    for (int64_t at = 0; at < task_.bins; at += kLanes) {
      const int64_t left = task_.bins - at;
      const bool whole = left >= kLanes || y_end_ - (row + at) >= kLanes;
      store_lanes(row + at, load(sums + at), whole ? kLanes : static_cast<int>(left));
    }
  }

  const PoolTask task_;
  const int64_t columns_, padded_columns_, padded_bins_;
  const Out *const y_end_;
};

}  // namespace VMAMBA_BUILD
}  // namespace vmamba

#endif  // VMAMBA_KERNELS_CPU_BOX_POOL_H
