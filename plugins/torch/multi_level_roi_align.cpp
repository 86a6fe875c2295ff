// What loading this library does: torch.ops.vmamba.multi_level_roi_align exists afterwards.
#include "adapter.h"
#include "common/roi_align_op.h"

namespace vmamba::torch_op {
namespace {

const DefinedOnce defined(RoiAlignOp::kTorchSchema, __FILE__);

template <typename Device>
Tensor roi_align(Tensor p2, Tensor p3, Tensor p4, Tensor p5, Tensor boxes, int64_t output_size,
                 int64_t out_dtype) {
  return Device::template run<RoiAlignOp>({p2, p3, p4, p5, boxes},
                                          {make_attribute(output_size), make_attribute(out_dtype)});
}

}  // namespace

VMAMBA_IMPLEMENT("multi_level_roi_align", roi_align)

}  // namespace vmamba::torch_op
