#include "common/roi_align_op.h"

namespace vmamba {
namespace {

constexpr int32_t kBoxes = VMAMBA_ROI_ALIGN_LEVELS;  // the input after the maps

}  // namespace

bool RoiAlignOp::check_attributes(const AttributeValue (&attributes)[kAttributes],
                                  Problem *problem) noexcept {
  const int64_t size = attributes[0].integer();
  if (size < 1 || size > VMAMBA_ROI_ALIGN_MAX_OUTPUT_SIZE) {
    return refuse(problem, "output_size must be in 1..%d; got output_size=%lld",
                  VMAMBA_ROI_ALIGN_MAX_OUTPUT_SIZE, static_cast<long long>(size));
  }
  return check_out_dtype(attributes[1].integer(), problem);
}

bool RoiAlignOp::read_sizes(const CallFacts<RoiAlignOp> &call, Desc *desc,
                            Problem *problem) noexcept {
  const Shape *const shapes = call.shapes;
  if (!check_ranks(kInputSpecs, kInputs, shapes, problem)) return false;
  desc->batch = shapes[0].extents[0];
  desc->channels = shapes[0].extents[1];
  desc->boxes = shapes[kBoxes].extents[1];
  desc->output_size = static_cast<int32_t>(call.attributes[0].integer());
  Expected expected[kInputs];
  for (int32_t level = 0; level < VMAMBA_ROI_ALIGN_LEVELS; ++level) {
    desc->heights[level] = shapes[level].extents[2];
    desc->widths[level] = shapes[level].extents[3];
    expected[level] = {
        {4, {desc->batch, desc->channels, desc->heights[level], desc->widths[level]}}};
  }
  expected[kBoxes] = {{3, {desc->batch, desc->boxes, 4}}};
  return check_shapes(kInputSpecs, kInputs, shapes, expected, problem);
}

vmamba_roi_align_args RoiAlignOp::make_args(const void *const (&inputs)[kInputs],
                                            void *y) noexcept {
  return {
      {inputs[0], inputs[1], inputs[2], inputs[3]}, static_cast<const float *>(inputs[kBoxes]), y};
}

}  // namespace vmamba
