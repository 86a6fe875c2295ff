// vmamba::SelectiveScan2D for OpPlugin.
#pragma once

#include <algorithm>

#include "common/scan_op.h"
#include "fields.h"

namespace vmamba::tensorrt {

struct SelectiveScan2D {
  using Inputs = CallFacts<ScanOp>;
  using Desc = vmamba_scan_desc;

  static constexpr const char *kName = "SelectiveScan2D";
  static constexpr const char *kTimingCacheId = "selective_scan_2d-2";
  static constexpr int32_t kInputs = ScanOp::kInputs;
  static constexpr int32_t kTypedInputs = 2;
  static constexpr Field kFields[] = {kOutDtype};

  static bool check_dtypes(const int32_t (&dtypes)[kInputs], int32_t out_dtype,
                           Problem *problem) noexcept {
    return vmamba::check_dtypes(ScanOp::kInputSpecs, kInputs, dtypes, out_dtype, problem);
  }

  // y has the very extents of x.
  static bool check_shapes(const Shape (&shapes)[kInputs], Problem *problem) noexcept {
    Inputs call;
    std::copy_n(shapes, kInputs, call.shapes);
    vmamba_scan_desc desc{};
    return ScanOp::read_sizes(call, &desc, problem);
  }
  static void set_output(const nvinfer1::DimsExprs *inputs, const int32_t *,
                         nvinfer1::IExprBuilder &, nvinfer1::DimsExprs *y) noexcept {
    *y = inputs[0];
  }

  static bool describe(const Inputs &inputs, const int32_t (&fields)[1], Desc *desc,
                       Problem *problem) noexcept {
    Inputs call = inputs;
    call.attributes[0] = fields[0];
    return describe_call(call, desc, problem);
  }
  static vmamba_status workspace_bytes(const Desc &desc, size_t *bytes) noexcept {
    return vmamba_scan_cuda_workspace(&desc, bytes);
  }
  static vmamba_status launch(const Desc &desc, const void *const (&inputs)[kInputs], void *y,
                              void *workspace, size_t bytes, void *stream) noexcept {
    const vmamba_scan_args args = ScanOp::make_args(inputs, y);
    return vmamba_scan_cuda(&desc, &args, workspace, bytes, stream);
  }
};

}  // namespace vmamba::tensorrt
