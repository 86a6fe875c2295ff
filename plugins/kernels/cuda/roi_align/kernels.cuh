// The kernel: features of boxes, a block for a box and a slice of the channels.
//
// For each row of bins, the rows of the map that its samples touch are added up, weighted, column
// by column; then the columns of each bin. No atomics: the order of a sum is that of the pixels,
// and the same call gives the same bits, however the channels are sliced.
//
// Floor, in bytes: the pixels of the maps that boxes touch, the boxes and y, each once.
#pragma once

#include "cuda/roi_align/samples.cuh"
#include "cuda/roi_align/shape.h"
#include "cuda/shared/element.cuh"

namespace vmamba {

// One direction of a block's box in shared memory, with the weights that all its channels share.
class WeightedAxis {
 public:
  __device__ WeightedAxis(float *words, int32_t bins)
      : axis_(reinterpret_cast<Axis *>(words)),
        touched_(reinterpret_cast<Pixels *>(axis_ + 1)),
        weights_(reinterpret_cast<float *>(touched_ + bins)) {}

  // By all threads of the block, which meet afterwards.
  __device__ void set(const Axis &axis, int32_t bins) const {
    const int32_t thread = static_cast<int32_t>(threadIdx.x);
    if (thread == 0) *axis_ = axis;
    for (int32_t i = thread; i < bins * kKeptWeights; i += kRoiThreads) {
      const int32_t bin = i / kKeptWeights, place = i % kKeptWeights;
      const Pixels touched = axis.touched(bin, bin);
      if (place == 0) touched_[bin] = touched;
      const int32_t pixel = touched.first + place;
      if (pixel < touched.end) weights_[i] = axis.weight(bin, pixel);
    }
  }

  // add(pixel, weight) for those of `within` that a bin's samples touch, in their order.
  template <typename Add>
  __device__ void for_each(int32_t bin, const Pixels &within, const Add &add) const {
    const Pixels touched = touched_[bin];
    const int32_t first = max(touched.first, within.first), end = min(touched.end, within.end);
    const int32_t kept_end = min(end, touched.first + kKeptWeights);
    const float *const weights = weights_ + bin * kKeptWeights;
#pragma unroll 4
    for (int32_t pixel = first; pixel < kept_end; ++pixel) {
      add(pixel, weights[pixel - touched.first]);
    }
#pragma unroll 1
    for (int32_t pixel = max(first, kept_end); pixel < end; ++pixel) {
      add(pixel, axis_->weight(bin, pixel));
    }
  }

 private:
  Axis *const axis_;
  Pixels *const touched_;  // [bins]
  float *const weights_;   // [bins, kKeptWeights], from the first pixel that a bin touches
};

// The map that serves a box. Chosen, not indexed: for that the parameters would become a copy in
// the thread's own memory.
struct MapLevel {
  const void *data;
  int32_t height, width;
  float stride;

  __device__ MapLevel(const RoiAlignParams &params, int32_t level)
      : data(params.args.maps[0]),
        height(params.heights[0]),
        width(params.widths[0]),
        stride(VMAMBA_ROI_ALIGN_FIRST_STRIDE) {
#pragma unroll
    for (int i = 1; i < VMAMBA_ROI_ALIGN_LEVELS; ++i) {
      if (level != i) continue;
      data = params.args.maps[i];
      height = params.heights[i];
      width = params.widths[i];
      stride = VMAMBA_ROI_ALIGN_FIRST_STRIDE << i;
    }
  }

  template <typename T>
  __device__ const T *plane(int64_t number) const {
    return static_cast<const T *>(data) + number * height * width;
  }
};

template <typename T>
class BoxPooling {
 public:
  // words: the block's memory.
  __device__ BoxPooling(const MapLevel &map, int32_t output_size, float *words)
      : map_(map),
        output_size_(output_size),
        rows_(words, output_size),
        columns_(words + axis_words(output_size), output_size),
        window_(words + 2 * axis_words(output_size) + warp_of_block() * window_words(output_size)),
        lane_(static_cast<int32_t>(threadIdx.x) % kWarpLanes),
        lane_row_(lane_ / row_bins(output_size)),
        lane_bin_(lane_ % row_bins(output_size)) {}

  // By all threads of the block.
  __device__ void open(const Box &box) {
    rows_.set(Axis(box.y1, box.y2, map_.stride, output_size_, map_.height), output_size_);
    const Axis columns(box.x1, box.x2, map_.stride, output_size_, map_.width);
    columns_.set(columns, output_size_);
    touched_columns_ = columns.touched(0, output_size_ - 1);
    __syncthreads();
  }

  // store(channel, output, value) for all outputs, [S, S], of some channels from `first_channel`
  // on, by the lanes of a warp.
  template <typename Store>
  __device__ void pool(const T *first_channel, int32_t channels, const Store &store) const {
    for (int32_t first_bin = 0; first_bin < output_size_; first_bin += kWarpLanes) {
      for (int32_t first_row = 0; first_row < output_size_; first_row += bin_rows(output_size_)) {
        const int32_t rows = min(bin_rows(output_size_), output_size_ - first_row);
        const bool has_output = lane_row_ < rows && first_bin + lane_bin_ < output_size_;
        float sums[kRoiChannels] = {};
        for (int32_t column = touched_columns_.first; column < touched_columns_.end;
             column += kWarpLanes) {
          add_rows(first_channel, channels, first_row, rows, column + lane_);
          __syncwarp();
          if (has_output) add_columns(first_bin + lane_bin_, column, sums);
          __syncwarp();
        }
        if (!has_output) continue;
        const int32_t output = (first_row + lane_row_) * output_size_ + first_bin + lane_bin_;
#pragma unroll
        for (int c = 0; c < kRoiChannels; ++c) {
          if (c < channels) store(c, output, sums[c]);
        }
      }
    }
  }

 private:
  // Where fewer channels are left, the last one stands in for those that are not there.
  __device__ void add_rows(const T *first_channel, int32_t channels, int32_t first_row,
                           int32_t rows, int32_t column) const {
    const bool inside = column < touched_columns_.end;
    const T *tops[kRoiChannels];
#pragma unroll
    for (int c = 0; c < kRoiChannels; ++c) {
      const int64_t plane = static_cast<int64_t>(map_.height) * map_.width;
      tops[c] =
          first_channel + min(c, channels - 1) * plane + (inside ? column : touched_columns_.first);
    }
    const uint32_t row_bytes = static_cast<uint32_t>(map_.width) * sizeof(T);
    for (int32_t i = 0; i < rows; ++i) {
      float sums[kRoiChannels] = {};
      rows_.for_each(first_row + i, {0, INT32_MAX}, [&](int32_t row, float weight) {
#pragma unroll
        for (int c = 0; c < kRoiChannels; ++c) {
          sums[c] = fmaf(weight, to_float(*row_of(tops[c], row, row_bytes)), sums[c]);
        }
      });
#pragma unroll
      for (int c = 0; c < kRoiChannels; ++c) window_row(c, i)[lane_] = inside ? sums[c] : 0.0f;
    }
  }

  __device__ void add_columns(int32_t bin, int32_t first_column,
                              float (&sums)[kRoiChannels]) const {
    const float *const row = window_row(0, lane_row_) - first_column;
    const int32_t channel_pitch = bin_rows(output_size_) * kWindowPitch;
    const Pixels window = {first_column, first_column + kWarpLanes};
    columns_.for_each(bin, window, [&](int32_t column, float weight) {
#pragma unroll
      for (int c = 0; c < kRoiChannels; ++c) {
        sums[c] = fmaf(weight, row[c * channel_pitch + column], sums[c]);
      }
    });
  }

  __device__ float *window_row(int32_t channel, int32_t row) const {
    return window_ + (channel * bin_rows(output_size_) + row) * kWindowPitch;
  }

  const MapLevel &map_;
  const int32_t output_size_;
  const WeightedAxis rows_, columns_;
  float *const window_;  // of the warp
  const int32_t lane_;
  const int32_t lane_row_, lane_bin_;  // of the lane's output, from the first ones at a time
  Pixels touched_columns_;             // by any bin
};

template <typename T>
__global__ void __launch_bounds__(kRoiThreads, kRoiResidentBlocks)
    pool_boxes(RoiAlignParams params) {
  let_next_launch_begin();
  await_launch_before();
  float *const words = reinterpret_cast<float *>(dynamic_shared());
  const int32_t lane = static_cast<int32_t>(threadIdx.x) % kWarpLanes;
  const int32_t outputs = params.output_size * params.output_size;
  for (uint32_t item = blockIdx.x; item < params.items; item += gridDim.x) {
    uint32_t image = item;
    const int32_t slice = take_digit(image, params.slices);
    const uint32_t box_number = image;
    take_digit(image, params.boxes);
    const float *const corners = params.args.boxes + 4 * static_cast<int64_t>(box_number);
    const Box box = {corners[0], corners[1], corners[2], corners[3]};
    const int32_t level = level_of(box);
    const MapLevel map(params, level);
    BoxPooling<T> pooling(map, params.output_size, words);
    if (level >= 0) pooling.open(box);
    const int32_t first = slice * params.slice_channels;
    const int32_t end = min(first + params.slice_channels, params.channels);
    for (int32_t channel = first + kRoiChannels * warp_of_block(); channel < end;
         channel += kSliceStep) {
      const int32_t channels = min(kRoiChannels, end - channel);
      const int64_t y = (static_cast<int64_t>(box_number) * params.channels + channel) * outputs;
      const auto store = [&](int32_t number, int32_t output, float value) {
        const int64_t place = y + number * outputs + output;
        if (params.rounds_output) {
          from_float(value, static_cast<T *>(params.args.y) + place);
        } else {
          static_cast<float *>(params.args.y)[place] = value;
        }
      };
      if (level >= 0) {
        const int64_t plane = static_cast<int64_t>(image) * params.channels + channel;
        pooling.pool(map.plane<T>(plane), channels, store);
      } else {
        for (int32_t i = lane; i < channels * outputs; i += kWarpLanes) store(0, i, 0.0f);
      }
    }
    __syncthreads();  // before the weights of the next box
  }
}

}  // namespace vmamba
