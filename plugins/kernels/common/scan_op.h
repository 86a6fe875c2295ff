// vmamba::SelectiveScan2D for the adapters (see signature.h).
#pragma once

#include "common/signature.h"
#include "vmamba/selective_scan_2d.h"

namespace vmamba {

struct ScanOp {
  using Desc = vmamba_scan_desc;
  using Args = vmamba_scan_args;

  static constexpr const char *kName = "SelectiveScan2D";
  static constexpr const char *kCudaKernels = "selective_scan_2d-2";
  static constexpr const char *kTorchName = "selective_scan_2d";
  static constexpr const char *kTorchSchema =
      "selective_scan_2d(Tensor x, Tensor proj, Tensor dt_weight, Tensor dt_bias, Tensor a, "
      "Tensor d, int out_dtype) -> Tensor";
  static constexpr int32_t kInputs = 6;
  static constexpr InputSpec kInputSpecs[kInputs] = {
      {"x", "[B, H, W, D]", 4, true},       {"proj", "[B, H, W, 4 (R + 2 N)]", 4, true},
      {"dt_weight", "[4, R, D]", 3, false}, {"dt_bias", "[4, D]", 2, false},
      {"a", "[4, N, D]", 3, false},         {"d", "[4, D]", 2, false}};
  static constexpr int32_t kAttributes = 1;
  static constexpr const char *kAttributeNames[kAttributes] = {"out_dtype"};
  static constexpr AxisSource kOutputAxes[] = {{0, 0}, {0, 1}, {0, 2}, {0, 3}};  // those of x

  static bool check_attributes(const int64_t (&attributes)[kAttributes],
                               Problem *problem) noexcept {
    return check_out_dtype(attributes[0], problem);
  }
  static bool read_sizes(const CallFacts<ScanOp> &call, Desc *desc, Problem *problem) noexcept;
  static Args make_args(const void *const (&inputs)[kInputs], void *y) noexcept;

  static vmamba_status validate(const Desc &desc) noexcept { return vmamba_scan_validate(&desc); }
  static vmamba_status run_cpu(const Desc &desc, const Args &args,
                               const vmamba_executor &executor) noexcept {
    return vmamba_scan_cpu(&desc, &args, &executor);
  }
  static vmamba_status workspace_bytes(const Desc &desc, size_t *bytes) noexcept {
    return vmamba_scan_cuda_workspace(&desc, bytes);
  }
  static vmamba_status run_cuda(const Desc &desc, const Args &args, void *workspace, size_t bytes,
                                void *stream) noexcept {
    return vmamba_scan_cuda(&desc, &args, workspace, bytes, stream);
  }
};

}  // namespace vmamba
