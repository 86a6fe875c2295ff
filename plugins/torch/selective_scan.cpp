// What loading this library does: torch.ops.vmamba.selective_scan exists afterwards.
#include <vector>

#include "adapter.h"
#include "common/scan_op.h"

namespace vmamba::torch_op {
namespace {

const DefinedOnce defined(SelectiveScanOp::kTorchSchema, __FILE__);

AttributeValue list_attribute(const std::vector<int64_t> &values) {
  return make_attribute(values.data(), static_cast<int64_t>(values.size()));
}

#ifndef VMAMBA_TORCH_CUDA_ALONE
Tensor scan_cpu(Tensor x, Tensor proj, Tensor dt_weight, Tensor dt_bias, Tensor a, Tensor d,
                std::vector<int64_t> routes, int64_t out_dtype) {
  return run_cpu<SelectiveScanOp>({x, proj, dt_weight, dt_bias, a, d},
                                  {list_attribute(routes), make_attribute(out_dtype)});
}
#endif

#ifdef VMAMBA_TORCH_CUDA
Tensor scan_cuda(Tensor x, Tensor proj, Tensor dt_weight, Tensor dt_bias, Tensor a, Tensor d,
                 std::vector<int64_t> routes, int64_t out_dtype) {
  return run_cuda<SelectiveScanOp>({x, proj, dt_weight, dt_bias, a, d},
                                   {list_attribute(routes), make_attribute(out_dtype)});
}
#endif

}  // namespace

#ifndef VMAMBA_TORCH_CUDA_ALONE
STABLE_TORCH_LIBRARY_IMPL(vmamba, CPU, library) {
  library.impl("selective_scan", TORCH_BOX(&scan_cpu));
}
#endif

#ifdef VMAMBA_TORCH_CUDA
STABLE_TORCH_LIBRARY_IMPL(vmamba, CUDA, library) {
  library.impl("selective_scan", TORCH_BOX(&scan_cuda));
}
#endif

}  // namespace vmamba::torch_op
