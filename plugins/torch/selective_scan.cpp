// What loading this library does: torch.ops.vmamba.selective_scan exists afterwards.
#include <vector>

#include "adapter.h"
#include "common/scan_op.h"

namespace vmamba::torch_op {
namespace {

const DefinedOnce defined(SelectiveScanOp::kTorchSchema, __FILE__);

template <typename Device>
Tensor scan(Tensor x, Tensor proj, Tensor dt_weight, Tensor dt_bias, Tensor a, Tensor d,
            std::vector<int64_t> routes, int64_t out_dtype) {
  return Device::template run<SelectiveScanOp>(
      {x, proj, dt_weight, dt_bias, a, d},
      {make_attribute(routes.data(), static_cast<int64_t>(routes.size())),
       make_attribute(out_dtype)});
}

}  // namespace

VMAMBA_IMPLEMENT("selective_scan", scan)

}  // namespace vmamba::torch_op
