// What loading this library does: torch.ops.vmamba.multi_level_roi_align exists afterwards.
#include "adapter.h"
#include "common/roi_align_op.h"

namespace vmamba::torch_op {
namespace {

const DefinedOnce defined(RoiAlignOp::kTorchSchema, __FILE__);

#ifndef VMAMBA_TORCH_CUDA_ALONE
Tensor roi_align_cpu(Tensor p2, Tensor p3, Tensor p4, Tensor p5, Tensor boxes, int64_t output_size,
                     int64_t out_dtype) {
  return run_cpu<RoiAlignOp>({p2, p3, p4, p5, boxes},
                             {make_attribute(output_size), make_attribute(out_dtype)});
}
#endif

#ifdef VMAMBA_TORCH_CUDA
Tensor roi_align_cuda(Tensor p2, Tensor p3, Tensor p4, Tensor p5, Tensor boxes, int64_t output_size,
                      int64_t out_dtype) {
  return run_cuda<RoiAlignOp>({p2, p3, p4, p5, boxes},
                              {make_attribute(output_size), make_attribute(out_dtype)});
}
#endif

}  // namespace

#ifndef VMAMBA_TORCH_CUDA_ALONE
STABLE_TORCH_LIBRARY_IMPL(vmamba, CPU, library) {
  library.impl("multi_level_roi_align", TORCH_BOX(&roi_align_cpu));
}
#endif

#ifdef VMAMBA_TORCH_CUDA
STABLE_TORCH_LIBRARY_IMPL(vmamba, CUDA, library) {
  library.impl("multi_level_roi_align", TORCH_BOX(&roi_align_cuda));
}
#endif

}  // namespace vmamba::torch_op
