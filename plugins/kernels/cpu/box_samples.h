// Where the samples of a box lie on the map of its level, and what they weigh: once for all
// channels. The same code for every instruction set, in float32, an operation at a time as
// include/vmamba/multi_level_roi_align.h defines it.
#ifndef VMAMBA_KERNELS_CPU_BOX_SAMPLES_H
#define VMAMBA_KERNELS_CPU_BOX_SAMPLES_H

#include <stdint.h>

namespace vmamba {

// The map that serves a box (x1, y1, x2, y2); -1 where its features are zeros.
int32_t level_of(const float *box);

// Neighbouring pixels of an axis.
struct PixelRange {
  int64_t first = 0, count = 0;
};

// One direction of a box on a map.
class BoxAxis {
 public:
  // low and high in pixels of the network's input, size in pixels of the map.
  BoxAxis(float low, float high, int32_t level, int32_t bins, int64_t size);

  // The pixels that samples of any bin touch; none where no sample counts.
  PixelRange pixels() const { return pixels_; }

  // Those of one bin.
  PixelRange pixels_of(int32_t bin) const;

  // Adds the weight of each pixel in the mean of each bin to weights[bin * bin_stride + (pixel -
  // pixels().first) * pixel_stride].
  void add_weights(float *weights, int64_t bin_stride, int64_t pixel_stride) const;

 private:
  template <typename Visit>
  void visit_samples(int32_t bin, Visit &&visit) const;

  float start_, bin_size_;
  int32_t bins_, samples_;  // of a bin
  int64_t size_;
  PixelRange pixels_;
};

}  // namespace vmamba

#endif  // VMAMBA_KERNELS_CPU_BOX_SAMPLES_H
