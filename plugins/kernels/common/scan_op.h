// vmamba::SelectiveScan and vmamba::SelectiveScan2D, its case of all four routes, for the adapters
// (see signature.h). Both are calls of the C interface of SelectiveScan.
#pragma once

#include "common/signature.h"
#include "vmamba/selective_scan.h"

namespace vmamba {

// What the two have in common.
struct AnyScanOp {
  using Desc = vmamba_selective_scan_desc;
  using Args = vmamba_selective_scan_args;

  static constexpr int32_t kInputs = 6;
  static constexpr AxisSource kOutputAxes[] = {{0, -4}, {0, -3}, {0, -2}, {0, -1}};  // those of x

  static Args make_args(const void *const (&inputs)[kInputs], void *y) noexcept;

  static vmamba_status validate(const Desc &desc) noexcept {
    return vmamba_selective_scan_validate(&desc);
  }
  static vmamba_status run_cpu(const Desc &desc, const Args &args,
                               const vmamba_executor &executor) noexcept {
    return vmamba_selective_scan_cpu(&desc, &args, &executor);
  }
  static vmamba_status workspace_bytes(const Desc &desc, size_t *bytes) noexcept {
    return vmamba_selective_scan_cuda_workspace(&desc, bytes);
  }
  static vmamba_status run_cuda(const Desc &desc, const Args &args, void *workspace, size_t bytes,
                                void *stream) noexcept {
    return vmamba_selective_scan_cuda(&desc, &args, workspace, bytes, stream);
  }
};

struct SelectiveScanOp : AnyScanOp {
  static constexpr const char *kName = "SelectiveScan";
  static constexpr const char *kCudaKernels = "selective_scan-2";
  static constexpr const char *kTorchName = "selective_scan";
  static constexpr const char *kTorchSchema =
      "selective_scan(Tensor x, Tensor proj, Tensor dt_weight, Tensor dt_bias, Tensor a, "
      "Tensor d, int[] routes, int out_dtype) -> Tensor";
  static constexpr InputSpec kInputSpecs[kInputs] = {
      {"x", true, {{"[B, H, W, D]", 4}, {"[K, B, H, W, D]", 5}}},
      {"proj", true, {{"[B, H, W, K (R + 2 N)]", 4}, {"[K, B, H, W, R + 2 N]", 5}}},
      {"dt_weight", false, {{"[K, R, D]", 3}}},
      {"dt_bias", false, {{"[K, D]", 2}}},
      {"a", false, {{"[K, N, D]", 3}}},
      {"d", false, {{"[K, D]", 2}}}};
  static constexpr int32_t kAttributes = 2;
  static constexpr AttributeSpec kAttributeSpecs[kAttributes] = {{"routes", true},
                                                                 {"out_dtype", false}};

  static bool check_attributes(const AttributeValue (&attributes)[kAttributes],
                               Problem *problem) noexcept;
  static bool read_sizes(const CallFacts<SelectiveScanOp> &call, Desc *desc,
                         Problem *problem) noexcept;
};

struct ScanOp : AnyScanOp {
  static constexpr const char *kName = "SelectiveScan2D";
  static constexpr const char *kCudaKernels = "selective_scan_2d-4";
  static constexpr const char *kTorchName = "selective_scan_2d";
  static constexpr const char *kTorchSchema =
      "selective_scan_2d(Tensor x, Tensor proj, Tensor dt_weight, Tensor dt_bias, Tensor a, "
      "Tensor d, int out_dtype) -> Tensor";
  static constexpr InputSpec kInputSpecs[kInputs] = {
      {"x", true, {{"[B, H, W, D]", 4}}},       {"proj", true, {{"[B, H, W, 4 (R + 2 N)]", 4}}},
      {"dt_weight", false, {{"[4, R, D]", 3}}}, {"dt_bias", false, {{"[4, D]", 2}}},
      {"a", false, {{"[4, N, D]", 3}}},         {"d", false, {{"[4, D]", 2}}}};
  static constexpr int32_t kAttributes = 1;
  static constexpr AttributeSpec kAttributeSpecs[kAttributes] = {{"out_dtype", false}};

  static bool check_attributes(const AttributeValue (&attributes)[kAttributes],
                               Problem *problem) noexcept {
    return check_out_dtype(attributes[0].integer(), problem);
  }
  static bool read_sizes(const CallFacts<ScanOp> &call, Desc *desc, Problem *problem) noexcept;
};

}  // namespace vmamba
