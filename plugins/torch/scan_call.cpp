#include "scan_call.h"

#include <torch/csrc/stable/ops.h>
#include <torch/headeronly/core/ScalarType.h>

#include <new>
#include <stdexcept>
#include <string>
#include <utility>

namespace vmamba::torch_op {
namespace {

using torch::headeronly::ScalarType;

[[noreturn]] void reject(const std::string &text) {
  throw std::invalid_argument("vmamba::selective_scan_2d: " + text);
}

// As ONNX numbers it; 0 for what the op does not take.
int32_t onnx_code(ScalarType dtype) {
  switch (dtype) {
    case ScalarType::Float:
      return VMAMBA_FLOAT32;
    case ScalarType::Half:
      return VMAMBA_FLOAT16;
    case ScalarType::BFloat16:
      return VMAMBA_BFLOAT16;
    case ScalarType::Double:
      return 11;
    default:
      return 0;
  }
}

std::string device_of(const Tensor &tensor) {
  const auto device = tensor.device();
  if (device.is_cpu()) return "cpu";
  return (device.is_cuda() ? "cuda:" : "device ") + std::to_string(device.index());
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

}  // namespace

void check_scan(vmamba_status status) {
  if (status == VMAMBA_OK) return;
  if (status == VMAMBA_OUT_OF_MEMORY) throw std::bad_alloc();
  if (status == VMAMBA_INVALID_ARGUMENT) reject(vmamba_last_error());
  // The words by which Python tells a machine that cannot from a call that failed.
  const char *const how = status == VMAMBA_UNSUPPORTED ? "cannot run here: " : "";
  throw std::runtime_error(std::string("vmamba::selective_scan_2d: ") + how + vmamba_last_error());
}

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

}  // namespace vmamba::torch_op
