// What loading this library does: torch.ops.vmamba.selective_scan_2d exists afterwards.
#include "adapter.h"
#include "common/scan_op.h"

namespace vmamba::torch_op {
namespace {

const DefinedOnce defined(ScanOp::kTorchSchema, __FILE__);

#ifndef VMAMBA_TORCH_CUDA_ALONE
Tensor scan_cpu(Tensor x, Tensor proj, Tensor dt_weight, Tensor dt_bias, Tensor a, Tensor d,
                int64_t out_dtype) {
  return run_cpu<ScanOp>({x, proj, dt_weight, dt_bias, a, d}, {make_attribute(out_dtype)});
}
#endif

#ifdef VMAMBA_TORCH_CUDA
Tensor scan_cuda(Tensor x, Tensor proj, Tensor dt_weight, Tensor dt_bias, Tensor a, Tensor d,
                 int64_t out_dtype) {
  return run_cuda<ScanOp>({x, proj, dt_weight, dt_bias, a, d}, {make_attribute(out_dtype)});
}
#endif

}  // namespace

#ifndef VMAMBA_TORCH_CUDA_ALONE
STABLE_TORCH_LIBRARY_IMPL(vmamba, CPU, library) {
  library.impl("selective_scan_2d", TORCH_BOX(&scan_cpu));
}
#endif

#ifdef VMAMBA_TORCH_CUDA
STABLE_TORCH_LIBRARY_IMPL(vmamba, CUDA, library) {
  library.impl("selective_scan_2d", TORCH_BOX(&scan_cuda));
}
#endif

}  // namespace vmamba::torch_op
