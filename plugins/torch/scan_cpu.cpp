// The CPU kernel on PyTorch's own threads, as many as torch.set_num_threads allows.
#include <torch/csrc/stable/ops.h>

#include <utility>

#include "scan_call.h"

namespace vmamba::torch_op {
namespace {

void parallel_for(void * /*context*/, int64_t count, vmamba_task task, void *arg) {
  torch::stable::parallel_for(0, count, 1, [task, arg](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) task(arg, i);
  });
}

}  // namespace

Tensor scan_cpu(Tensor x, Tensor proj, Tensor dt_weight, Tensor dt_bias, Tensor a, Tensor d,
                int64_t out_dtype) {
  const ScanCall call = prepare_call({x, proj, dt_weight, dt_bias, a, d}, out_dtype);
  const auto threads = static_cast<int32_t>(torch::stable::get_num_threads());
  const vmamba_executor executor{nullptr, threads, parallel_for};
  check_scan(vmamba_scan_cpu(&call.desc, &call.args, &executor));
  return call.y;
}

}  // namespace vmamba::torch_op
