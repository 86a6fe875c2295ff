// The op for PyTorch. What loading this library does: torch.ops.vmamba.selective_scan_2d exists
// afterwards, with the CPU kernel on PyTorch's own threads, as many as torch.set_num_threads
// allows, and the CUDA kernel on PyTorch's current stream, its workspace from PyTorch's allocator.
#include <dlfcn.h>
#include <torch/csrc/stable/accelerator.h>
#include <torch/csrc/stable/library.h>
#include <torch/csrc/stable/ops.h>
#include <torch/csrc/stable/tensor.h>
#include <torch/headeronly/core/ScalarType.h>

#include <array>
#include <cstdint>
#include <new>
#include <stdexcept>
#include <string>
#include <utility>

#include "common/signature.h"
#include "vmamba/selective_scan_2d.h"

namespace vmamba::torch_op {
namespace {

using torch::headeronly::ScalarType;
using torch::stable::Tensor;

struct ScanCall {
  vmamba_scan_desc desc;
  vmamba_scan_args args;
  std::array<Tensor, kInputs> inputs;  // contiguous; own the memory that args points into
  Tensor y;
};

[[noreturn]] void reject(const std::string &text) {
  throw std::invalid_argument("vmamba::selective_scan_2d: " + text);
}

// As ONNX numbers it; 0 for what the op does not take.
int32_t onnx_code(ScalarType dtype) {
  if (dtype == ScalarType::Float) return VMAMBA_FLOAT32;
  if (dtype == ScalarType::Half) return VMAMBA_FLOAT16;
  if (dtype == ScalarType::BFloat16) return VMAMBA_BFLOAT16;
  return dtype == ScalarType::Double ? 11 : 0;
}

std::string device_of(const Tensor &tensor) {
  const auto device = tensor.device();
  if (device.is_cpu()) return "cpu";
  return (device.is_cuda() ? "cuda:" : "device ") + std::to_string(device.index());
}

// Throws what vmamba_last_error() says unless the status is VMAMBA_OK.
void check_scan(vmamba_status status) {
  if (status == VMAMBA_OK) return;
  if (status == VMAMBA_OUT_OF_MEMORY) throw std::bad_alloc();
  if (status == VMAMBA_INVALID_ARGUMENT) reject(vmamba_last_error());
  // The words by which Python tells a machine that cannot from a call that failed.
  const char *const how = status == VMAMBA_UNSUPPORTED ? "cannot run here: " : "";
  throw std::runtime_error(std::string("vmamba::selective_scan_2d: ") + how + vmamba_last_error());
}

vmamba_scan_desc describe(const std::array<Tensor, kInputs> &tensors, int64_t out_dtype) {
  Inputs inputs;
  for (size_t i = 0; i < kInputs; ++i) {
    const Tensor &tensor = tensors[i];
    if (tensor.device() != tensors[0].device()) {
      reject(std::string(kInputNames[i]) + " is on " + device_of(tensor) + ", expected " +
             device_of(tensors[0]) + ", where x is");
    }
    inputs.dtypes[i] = onnx_code(tensor.scalar_type());
    inputs.shapes[i] = make_shape(tensor.sizes().data(), tensor.dim());
  }
  vmamba_scan_desc desc{};
  Problem problem;
  if (!describe_call(inputs, out_dtype, &desc, &problem)) reject(problem.text);
  check_scan(vmamba_scan_validate(&desc));
  return desc;
}

// Checks the inputs, makes them contiguous and allocates y on their device.
// Throws std::invalid_argument that names the input which does not fit.
ScanCall prepare_call(std::array<Tensor, kInputs> inputs, int64_t out_dtype) {
  const vmamba_scan_desc desc = describe(inputs, out_dtype);
  const void *pointers[kInputs];
  for (size_t i = 0; i < kInputs; ++i) {
    if (!inputs[i].is_contiguous()) inputs[i] = torch::stable::contiguous(inputs[i]);
    pointers[i] = inputs[i].const_data_ptr();
  }
  const ScalarType result =
      out_dtype == VMAMBA_FLOAT32 ? ScalarType::Float : inputs[0].scalar_type();
  Tensor y = torch::stable::new_empty(inputs[0], inputs[0].sizes(), result);
  const vmamba_scan_args args = make_args(pointers, y.mutable_data_ptr());
  return {desc, args, std::move(inputs), std::move(y)};
}

#ifndef VMAMBA_TORCH_CUDA_ALONE  // whose build has no kernel for the CPU
void parallel_for(void * /*context*/, int64_t count, vmamba_task task, void *arg) {
  torch::stable::parallel_for(0, count, 1, [task, arg](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) task(arg, i);
  });
}

Tensor scan_cpu(Tensor x, Tensor proj, Tensor dt_weight, Tensor dt_bias, Tensor a, Tensor d,
                int64_t out_dtype) {
  const ScanCall call = prepare_call({x, proj, dt_weight, dt_bias, a, d}, out_dtype);
  const auto threads = static_cast<int32_t>(torch::stable::get_num_threads());
  const vmamba_executor executor{nullptr, threads, parallel_for};
  check_scan(vmamba_scan_cpu(&call.desc, &call.args, &executor));
  return call.y;
}
#endif

#ifdef VMAMBA_TORCH_CUDA
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
#endif

constexpr const char *kSchema =
    "selective_scan_2d(Tensor x, Tensor proj, Tensor dt_weight, Tensor dt_bias, Tensor a, "
    "Tensor d, int out_dtype) -> Tensor";

// Defines the op unless the process has it: vmamba_deploy's Python code defines the same schema.
// The stable interface cannot ask, but it refuses a second definition and leaves the first as it
// was.
class DefinedOnce {
 public:
  DefinedOnce() {
    aoti_torch_library_init_fragment("vmamba", __FILE__, __LINE__, &library_);
    aoti_torch_library_def(library_, kSchema);
  }
  ~DefinedOnce() { aoti_torch_delete_library_object(library_); }
  DefinedOnce(const DefinedOnce &) = delete;
  DefinedOnce &operator=(const DefinedOnce &) = delete;

 private:
  TorchLibraryHandle library_ = nullptr;
};

const DefinedOnce defined;

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
