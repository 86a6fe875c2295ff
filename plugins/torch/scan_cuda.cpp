// The CUDA kernel on PyTorch's current stream, its workspace from PyTorch's allocator.
#include <dlfcn.h>
#include <torch/csrc/stable/accelerator.h>
#include <torch/csrc/stable/ops.h>

#include <stdexcept>

#include "scan_call.h"

namespace vmamba::torch_op {
namespace {

using CurrentStream = AOTITorchError (*)(int32_t device, void **stream);

// The function is in libtorch_cuda.so, which this library must not need: it serves a PyTorch
// without CUDA too. A call with tensors on a GPU comes from a process that has it.
CurrentStream find_current_stream() {
  void *library = dlopen("libtorch_cuda.so", RTLD_LAZY | RTLD_NOLOAD);
  void *found = library ? dlsym(library, "aoti_torch_get_current_cuda_stream") : nullptr;
  if (found == nullptr) {
    throw std::runtime_error(
        "vmamba::selective_scan_2d: libtorch_cuda.so is not loaded in this process");
  }
  return reinterpret_cast<CurrentStream>(found);
}

void *current_stream(int32_t device) {
  static const CurrentStream current = find_current_stream();
  void *stream = nullptr;
  TORCH_ERROR_CODE_CHECK(current(device, &stream));
  return stream;
}

}  // namespace

Tensor scan_cuda(Tensor x, Tensor proj, Tensor dt_weight, Tensor dt_bias, Tensor a, Tensor d,
                 int64_t out_dtype) {
  const int32_t device = x.get_device_index();
  const torch::stable::accelerator::DeviceGuard guard(device);
  const ScanCall call = prepare_call({x, proj, dt_weight, dt_bias, a, d}, out_dtype);
  size_t workspace_bytes = 0;
  check_scan(vmamba_scan_cuda_workspace(&call.desc, &workspace_bytes));
  // Ordered by the stream, so it may be freed before the kernel ends, also within a graph capture.
  const int64_t size[] = {static_cast<int64_t>(workspace_bytes)};
  const Tensor workspace =
      torch::stable::new_empty(call.y, {size, 1}, torch::headeronly::ScalarType::Byte);
  check_scan(vmamba_scan_cuda(&call.desc, &call.args, workspace.mutable_data_ptr(), workspace_bytes,
                              current_stream(device)));
  return call.y;
}

}  // namespace vmamba::torch_op
