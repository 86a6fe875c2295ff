// Any op of ours as PyTorch calls it: the checks, the memory and the launch, for an op's struct
// (see common/signature.h). The CPU kernels run on PyTorch's own threads, as many as
// torch.set_num_threads allows, the CUDA kernels on PyTorch's current stream, their workspace from
// PyTorch's allocator.
#pragma once

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

namespace vmamba::torch_op {

using torch::headeronly::ScalarType;
using torch::stable::Tensor;

template <typename Op>
using Tensors = std::array<Tensor, Op::kInputs>;
template <typename Op>
using Attributes = std::array<AttributeValue, Op::kAttributes>;

template <typename Op>
struct PreparedCall {
  typename Op::Desc desc;
  typename Op::Args args;
  Tensors<Op> inputs;  // contiguous; own the memory that args points into
  Tensor y;
};

// The name by which a user knows the op.
template <typename Op>
std::string title() {
  return std::string("vmamba::") + Op::kTorchName + ": ";
}

template <typename Op>
[[noreturn]] void reject(const std::string &text) {
  throw std::invalid_argument(title<Op>() + text);
}

// As ONNX numbers it; 0 for what no op takes.
inline int32_t onnx_code(ScalarType dtype) {
  if (dtype == ScalarType::Float) return VMAMBA_FLOAT32;
  if (dtype == ScalarType::Half) return VMAMBA_FLOAT16;
  if (dtype == ScalarType::BFloat16) return VMAMBA_BFLOAT16;
  return dtype == ScalarType::Double ? 11 : 0;
}

inline std::string device_of(const Tensor &tensor) {
  const auto device = tensor.device();
  if (device.is_cpu()) return "cpu";
  return (device.is_cuda() ? "cuda:" : "device ") + std::to_string(device.index());
}

// Throws what vmamba_last_error() says unless the status is VMAMBA_OK.
template <typename Op>
void check(vmamba_status status) {
  if (status == VMAMBA_OK) return;
  if (status == VMAMBA_OUT_OF_MEMORY) throw std::bad_alloc();
  if (status == VMAMBA_INVALID_ARGUMENT) reject<Op>(vmamba_last_error());
  // The words by which Python tells a machine that cannot from a call that failed.
  const char *const how = status == VMAMBA_UNSUPPORTED ? "cannot run here: " : "";
  throw std::runtime_error(title<Op>() + how + vmamba_last_error());
}

template <typename Op>
CallFacts<Op> read_facts(const Tensors<Op> &tensors, const Attributes<Op> &attributes) {
  CallFacts<Op> call;
  for (size_t i = 0; i < Op::kInputs; ++i) {
    const Tensor &tensor = tensors[i];
    if (tensor.device() != tensors[0].device()) {
      reject<Op>(std::string(Op::kInputSpecs[i].name) + " is on " + device_of(tensor) +
                 ", expected " + device_of(tensors[0]) + ", where " + Op::kInputSpecs[0].name +
                 " is");
    }
    call.dtypes[i] = onnx_code(tensor.scalar_type());
    call.shapes[i] = make_shape(tensor.sizes().data(), tensor.dim());
  }
  for (size_t i = 0; i < Op::kAttributes; ++i) call.attributes[i] = attributes[i];
  return call;
}

// Checks the inputs, makes them contiguous and allocates y on their device.
// Throws std::invalid_argument that names the input which does not fit.
template <typename Op>
PreparedCall<Op> prepare_call(Tensors<Op> inputs, const Attributes<Op> &attributes) {
  const CallFacts<Op> call = read_facts<Op>(inputs, attributes);
  typename Op::Desc desc{};
  Problem problem;
  if (!describe_call(call, &desc, &problem)) reject<Op>(problem.text);
  check<Op>(Op::validate(desc));
  const void *pointers[Op::kInputs];
  for (size_t i = 0; i < Op::kInputs; ++i) {
    if (!inputs[i].is_contiguous()) inputs[i] = torch::stable::contiguous(inputs[i]);
    pointers[i] = inputs[i].const_data_ptr();
  }
  const ScalarType result =
      call.out_dtype() == VMAMBA_FLOAT32 ? ScalarType::Float : inputs[0].scalar_type();
  const Shape shape = output_shape(call);
  Tensor y =
      torch::stable::new_empty(inputs[0], {shape.extents, static_cast<size_t>(shape.rank)}, result);
  const auto args = Op::make_args(pointers, y.mutable_data_ptr());
  return {desc, args, std::move(inputs), std::move(y)};
}

#ifndef VMAMBA_TORCH_CUDA_ALONE  // whose build has no kernel for the CPU
inline void parallel_for(void * /*context*/, int64_t count, vmamba_task task, void *arg) {
  torch::stable::parallel_for(0, count, 1, [task, arg](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) task(arg, i);
  });
}

struct Cpu {
  template <typename Op>
  static Tensor run(Tensors<Op> inputs, const Attributes<Op> &attributes) {
    const PreparedCall<Op> call = prepare_call<Op>(std::move(inputs), attributes);
    const auto threads = static_cast<int32_t>(torch::stable::get_num_threads());
    check<Op>(Op::run_cpu(call.desc, call.args, {nullptr, threads, parallel_for}));
    return call.y;
  }
};
#define VMAMBA_ON_CPU(name, function) \
  STABLE_TORCH_LIBRARY_IMPL(vmamba, CPU, library) { library.impl(name, TORCH_BOX(&function<Cpu>)); }
#else
#define VMAMBA_ON_CPU(name, function)
#endif

#ifdef VMAMBA_TORCH_CUDA
// PyTorch's current stream on a device.
void *current_stream(int32_t device);

struct Cuda {
  template <typename Op>
  static Tensor run(Tensors<Op> inputs, const Attributes<Op> &attributes) {
    const int32_t device = inputs[0].get_device_index();
    const torch::stable::accelerator::DeviceGuard guard(device);
    const PreparedCall<Op> call = prepare_call<Op>(std::move(inputs), attributes);
    size_t workspace_bytes = 0;
    check<Op>(Op::workspace_bytes(call.desc, &workspace_bytes));
    // Ordered by the stream, so it may be freed before the kernel ends, also within a graph
    // capture.
    const int64_t size[] = {static_cast<int64_t>(workspace_bytes)};
    const Tensor workspace = torch::stable::new_empty(call.y, {size, 1}, ScalarType::Byte);
    check<Op>(Op::run_cuda(call.desc, call.args, workspace.mutable_data_ptr(), workspace_bytes,
                           current_stream(device)));
    return call.y;
  }
};
#define VMAMBA_ON_CUDA(name, function)               \
  STABLE_TORCH_LIBRARY_IMPL(vmamba, CUDA, library) { \
    library.impl(name, TORCH_BOX(&function<Cuda>));  \
  }
#else
#define VMAMBA_ON_CUDA(name, function)
#endif

// Registers a function, a template over Cpu and Cuda, for the devices of this build.
#define VMAMBA_IMPLEMENT(name, function) \
  VMAMBA_ON_CPU(name, function)          \
  VMAMBA_ON_CUDA(name, function)

// Defines the op unless the process has it: vmamba_deploy's Python code defines the same schema.
// The stable interface cannot ask, but it refuses a second definition and leaves the first as it
// was.
class DefinedOnce {
 public:
  DefinedOnce(const char *schema, const char *file) {
    aoti_torch_library_init_fragment("vmamba", file, 0, &library_);
    aoti_torch_library_def(library_, schema);
  }
  ~DefinedOnce() { aoti_torch_delete_library_object(library_); }
  DefinedOnce(const DefinedOnce &) = delete;
  DefinedOnce &operator=(const DefinedOnce &) = delete;

 private:
  TorchLibraryHandle library_ = nullptr;
};

}  // namespace vmamba::torch_op
