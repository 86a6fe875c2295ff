// What loading this library does: torch.ops.vmamba.selective_scan_2d exists afterwards.
#include "adapter.h"
#include "common/scan_op.h"

namespace vmamba::torch_op {
namespace {

const DefinedOnce defined(ScanOp::kTorchSchema, __FILE__);

template <typename Device>
Tensor scan(Tensor x, Tensor proj, Tensor dt_weight, Tensor dt_bias, Tensor a, Tensor d,
            int64_t out_dtype) {
  return Device::template run<ScanOp>({x, proj, dt_weight, dt_bias, a, d},
                                      {make_attribute(out_dtype)});
}

}  // namespace

VMAMBA_IMPLEMENT("selective_scan_2d", scan)

}  // namespace vmamba::torch_op
