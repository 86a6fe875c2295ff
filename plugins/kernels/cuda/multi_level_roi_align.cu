// vmamba_roi_align_cuda: checks, a plan, and its launch in the caller's stream.
#include <algorithm>
#include <iterator>

#include "common/validate.h"
#include "cuda/roi_align/kernels.cuh"
#include "cuda/roi_align/plan.h"

namespace vmamba {
namespace {

using RoiAlignKernel = void (*)(RoiAlignParams);

RoiAlignKernel kernel_for(int32_t in_dtype) {
  switch (in_dtype) {
    case VMAMBA_FLOAT32:
      return pool_boxes<float>;
    case VMAMBA_FLOAT16:
      return pool_boxes<__half>;
    default:
      return pool_boxes<__nv_bfloat16>;
  }
}

RoiAlignParams make_params(const vmamba_roi_align_desc &desc, const vmamba_roi_align_args &args,
                           const RoiAlignPlan &plan) {
  RoiAlignParams params{};
  params.args = args;
  std::copy(std::begin(desc.heights), std::end(desc.heights), params.heights);
  std::copy(std::begin(desc.widths), std::end(desc.widths), params.widths);
  params.items = static_cast<uint32_t>(plan.grid.blocks);
  params.boxes = static_cast<int32_t>(desc.boxes);
  params.channels = static_cast<int32_t>(desc.channels);
  params.slice_channels = plan.slice_channels;
  params.slices = plan.slices;
  params.output_size = desc.output_size;
  params.rounds_output = desc.out_dtype != VMAMBA_FLOAT32;
  return params;
}

}  // namespace
}  // namespace vmamba

extern "C" vmamba_status vmamba_roi_align_cuda(const vmamba_roi_align_desc *desc,
                                               const vmamba_roi_align_args *args, void *stream) {
  vmamba_status status = vmamba::validate_call(desc, args);
  if (status != VMAMBA_OK || desc->batch == 0 || desc->boxes == 0) return status;
  vmamba::DeviceLimits limits;
  status = vmamba::device_limits(&limits);
  if (status != VMAMBA_OK) return status;
  vmamba::RoiAlignPlan plan;
  status = vmamba::make_roi_align_plan(*desc, limits, &plan);
  if (status != VMAMBA_OK) return status;
  const vmamba::RoiAlignParams params = vmamba::make_params(*desc, *args, plan);
  return vmamba::launch(vmamba::kernel_for(desc->in_dtype), "pool_boxes", plan.grid, stream,
                        params);
}
