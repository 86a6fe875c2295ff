#include "cuda/roi_align/plan.h"

#include <algorithm>

#include "common/validate.h"
#include "cuda/roi_align/shape.h"

namespace vmamba {
namespace {

// So many times the blocks that a GPU holds at once are asked for: boxes differ in size, and small
// ones must find others to fill the gaps that they leave.
constexpr int64_t kRounds = 2;

int64_t parts_of(int64_t number, int64_t part) { return (number + part - 1) / part; }

int32_t shared_bytes(int32_t output_size) {
  const int32_t words = 2 * axis_words(output_size) + kRoiWarps * window_words(output_size);
  return words * static_cast<int32_t>(sizeof(float));
}

}  // namespace

// The bits of a channel do not depend on the slices: a channel is one warp's, from end to end.
vmamba_status make_roi_align_plan(const vmamba_roi_align_desc &desc, const DeviceLimits &limits,
                                  RoiAlignPlan *plan) {
  int64_t boxes = 0;
  const bool overflows = __builtin_mul_overflow(desc.batch, desc.boxes, &boxes);
  if (overflows || boxes > INT32_MAX || desc.channels > INT32_MAX / 2) {
    return fail(VMAMBA_UNSUPPORTED, "%lld boxes of %lld images in %lld channels are too many",
                static_cast<long long>(desc.boxes), static_cast<long long>(desc.batch),
                static_cast<long long>(desc.channels));
  }
  const int64_t wanted = kRounds * kRoiResidentBlocks * limits.multiprocessors;
  const int64_t most_slices = parts_of(desc.channels, kSliceStep);
  const int64_t slices = std::clamp<int64_t>(parts_of(wanted, boxes), 1, most_slices);
  const int64_t channels = parts_of(parts_of(desc.channels, slices), kSliceStep) * kSliceStep;
  plan->slice_channels = static_cast<int32_t>(channels);
  plan->slices = static_cast<int32_t>(parts_of(desc.channels, channels));
  plan->grid = {boxes * plan->slices, kRoiThreads, shared_bytes(desc.output_size),
                limits.compute_capability >= 90};
  return VMAMBA_OK;
}

}  // namespace vmamba
