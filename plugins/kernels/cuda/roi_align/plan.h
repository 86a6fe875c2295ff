// How a call of the op is cut into blocks: chosen here, from shapes and the GPU's limits.
#pragma once

#include "cuda/shared/device.h"
#include "vmamba/multi_level_roi_align.h"

namespace vmamba {

struct RoiAlignPlan {
  int32_t slice_channels;  // of a block
  int32_t slices;          // of the channels
  Grid grid;
};

// VMAMBA_UNSUPPORTED where there are more blocks than the kernel numbers.
vmamba_status make_roi_align_plan(const vmamba_roi_align_desc &desc, const DeviceLimits &limits,
                                  RoiAlignPlan *plan);

}  // namespace vmamba
