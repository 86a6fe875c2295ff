// What the kernel of a call receives.
#pragma once

#include <cstdint>

#include "vmamba/multi_level_roi_align.h"

namespace vmamba {

struct RoiAlignParams {
  vmamba_roi_align_args args;
  int32_t heights[VMAMBA_ROI_ALIGN_LEVELS], widths[VMAMBA_ROI_ALIGN_LEVELS];
  uint32_t items;  // boxes of all images, and slices of their channels
  int32_t boxes;   // of an image
  int32_t channels, slice_channels, slices;
  int32_t output_size;
  bool rounds_output;  // y is not float32
};

}  // namespace vmamba
