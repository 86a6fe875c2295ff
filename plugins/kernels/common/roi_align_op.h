// vmamba::MultiLevelRoiAlign for the adapters (see signature.h).
#pragma once

#include "common/signature.h"
#include "vmamba/multi_level_roi_align.h"

namespace vmamba {

struct RoiAlignOp {
  using Desc = vmamba_roi_align_desc;
  using Args = vmamba_roi_align_args;

  static constexpr const char *kName = "MultiLevelRoiAlign";
  static constexpr const char *kCudaKernels = "multi_level_roi_align-1";
  static constexpr const char *kTorchName = "multi_level_roi_align";
  static constexpr const char *kTorchSchema =
      "multi_level_roi_align(Tensor p2, Tensor p3, Tensor p4, Tensor p5, Tensor boxes, "
      "int output_size, int out_dtype) -> Tensor";
  static constexpr int32_t kInputs = 5;
  static constexpr InputSpec kInputSpecs[kInputs] = {{"p2", true, {{"[B, C, H2, W2]", 4}}},
                                                     {"p3", true, {{"[B, C, H3, W3]", 4}}},
                                                     {"p4", true, {{"[B, C, H4, W4]", 4}}},
                                                     {"p5", true, {{"[B, C, H5, W5]", 4}}},
                                                     {"boxes", false, {{"[B, K, 4]", 3}}}};
  static constexpr int32_t kAttributes = 2;
  static constexpr AttributeSpec kAttributeSpecs[kAttributes] = {{"output_size", false},
                                                                 {"out_dtype", false}};
  static constexpr AxisSource kOutputAxes[] = {
      {0, 0}, {4, 1}, {0, 1}, {kFromAttribute, 0}, {kFromAttribute, 0}};  // B, K, C, S, S

  static bool check_attributes(const AttributeValue (&attributes)[kAttributes],
                               Problem *problem) noexcept;
  static bool read_sizes(const CallFacts<RoiAlignOp> &call, Desc *desc, Problem *problem) noexcept;
  static Args make_args(const void *const (&inputs)[kInputs], void *y) noexcept;

  static vmamba_status validate(const Desc &desc) noexcept {
    return vmamba_roi_align_validate(&desc);
  }
  static vmamba_status run_cpu(const Desc &desc, const Args &args,
                               const vmamba_executor &executor) noexcept {
    return vmamba_roi_align_cpu(&desc, &args, &executor);
  }
  static vmamba_status workspace_bytes(const Desc &, size_t *bytes) noexcept {
    *bytes = 0;
    return VMAMBA_OK;
  }
  static vmamba_status run_cuda(const Desc &desc, const Args &args, void * /*workspace*/,
                                size_t /*bytes*/, void *stream) noexcept {
    return vmamba_roi_align_cuda(&desc, &args, stream);
  }
};

}  // namespace vmamba
