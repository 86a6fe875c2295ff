// One call of the op on tensors of PyTorch, as the C interface takes it.
#pragma once

#include <torch/csrc/stable/tensor.h>

#include <array>
#include <cstdint>

#include "common/signature.h"
#include "vmamba/selective_scan_2d.h"

namespace vmamba::torch_op {

using torch::stable::Tensor;

struct ScanCall {
  vmamba_scan_desc desc;
  vmamba_scan_args args;
  std::array<Tensor, kInputs> inputs;  // contiguous; own the memory that args points into
  Tensor y;
};

// Checks the inputs, makes them contiguous and allocates y on their device.
// Throws std::invalid_argument that names the input which does not fit.
ScanCall prepare_call(std::array<Tensor, kInputs> inputs, int64_t out_dtype);

// Throws what vmamba_last_error() says unless the status is VMAMBA_OK.
void check_scan(vmamba_status status);

Tensor scan_cpu(Tensor x, Tensor proj, Tensor dt_weight, Tensor dt_bias, Tensor a, Tensor d,
                int64_t out_dtype);
Tensor scan_cuda(Tensor x, Tensor proj, Tensor dt_weight, Tensor dt_bias, Tensor a, Tensor d,
                 int64_t out_dtype);

}  // namespace vmamba::torch_op
