#include "scan_call.h"

#include <torch/csrc/stable/ops.h>
#include <torch/headeronly/core/ScalarType.h>

#include <initializer_list>
#include <new>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

namespace vmamba::torch_op {
namespace {

using torch::headeronly::ScalarType;

[[noreturn]] void reject(const std::string &text) {
  throw std::invalid_argument("vmamba::selective_scan_2d: " + text);
}

std::string name_of(ScalarType dtype) { return torch::headeronly::toString(dtype); }

std::string text_of(const std::vector<int64_t> &shape) {
  std::string text = "(";
  for (size_t i = 0; i < shape.size(); ++i) text += (i ? ", " : "") + std::to_string(shape[i]);
  return text + ")";
}

std::vector<int64_t> shape_of(const Tensor &tensor) {
  const auto sizes = tensor.sizes();
  return {sizes.begin(), sizes.end()};
}

int32_t onnx_code(ScalarType dtype) {
  switch (dtype) {
    case ScalarType::Float:
      return VMAMBA_FLOAT32;
    case ScalarType::Half:
      return VMAMBA_FLOAT16;
    case ScalarType::BFloat16:
      return VMAMBA_BFLOAT16;
    default:
      reject("x is " + name_of(dtype) + ", expected Float, Half or BFloat16");
  }
}

void check_dtypes_and_device(const std::array<Tensor, kInputs> &inputs) {
  const Tensor &x = inputs[0];
  const ScalarType dtype = x.scalar_type();
  const auto device = x.device();
  for (size_t i = 1; i < kInputs; ++i) {
    const ScalarType expected = i == 1 ? dtype : ScalarType::Float;
    if (inputs[i].scalar_type() != expected) {
      reject(std::string(kInputNames[i]) + " is " + name_of(inputs[i].scalar_type()) +
             ", expected " + name_of(expected));
    }
    if (inputs[i].device() != device) {
      reject(std::string(kInputNames[i]) + " is not on the device of x");
    }
  }
}

void expect_rank(const Tensor &tensor, size_t index, int64_t rank) {
  if (tensor.dim() != rank) {
    reject(std::string(kInputNames[index]) + " has shape " + text_of(shape_of(tensor)) +
           ", expected " + std::to_string(rank) + " axes");
  }
}

void expect_shape(const Tensor &tensor, size_t index, const std::vector<int64_t> &expected) {
  const std::vector<int64_t> shape = shape_of(tensor);
  if (shape != expected) {
    reject(std::string(kInputNames[index]) + " has shape " + text_of(shape) + ", expected " +
           text_of(expected));
  }
}

vmamba_scan_desc describe(const std::array<Tensor, kInputs> &in, int64_t out_dtype) {
  const int64_t axes[kInputs] = {4, 4, 3, 2, 3, 2};
  for (size_t i = 0; i < kInputs; ++i) expect_rank(in[i], i, axes[i]);
  vmamba_scan_desc desc{};
  desc.batch = in[0].size(0);
  desc.height = in[0].size(1);
  desc.width = in[0].size(2);
  desc.channels = in[0].size(3);
  const int64_t rank = in[2].size(1);
  const int64_t state = in[4].size(1);
  // Sizes beyond the op's limits are told by vmamba_scan_validate; these must fit its fields.
  if (rank > INT32_MAX || state > INT32_MAX) reject("dt_weight or a is too large");
  desc.rank = static_cast<int32_t>(rank);
  desc.state = static_cast<int32_t>(state);
  const int64_t channels = desc.channels;
  expect_shape(in[1], 1, {desc.batch, desc.height, desc.width, VMAMBA_ROUTES * (rank + 2 * state)});
  expect_shape(in[2], 2, {VMAMBA_ROUTES, rank, channels});
  expect_shape(in[3], 3, {VMAMBA_ROUTES, channels});
  expect_shape(in[4], 4, {VMAMBA_ROUTES, state, channels});
  expect_shape(in[5], 5, {VMAMBA_ROUTES, channels});
  desc.in_dtype = onnx_code(in[0].scalar_type());
  if (out_dtype != VMAMBA_FLOAT32 && out_dtype != desc.in_dtype) {
    reject("out_dtype is " + std::to_string(out_dtype) +
           ", expected 1 (float32) or the dtype of x (" + std::to_string(desc.in_dtype) + ")");
  }
  desc.out_dtype = static_cast<int32_t>(out_dtype);
  check_scan(vmamba_scan_validate(&desc));
  return desc;
}

}  // namespace

void check_scan(vmamba_status status) {
  if (status == VMAMBA_OK) return;
  if (status == VMAMBA_OUT_OF_MEMORY) throw std::bad_alloc();
  const std::string text = std::string("vmamba::selective_scan_2d: ") + vmamba_last_error();
  if (status == VMAMBA_INVALID_ARGUMENT) throw std::invalid_argument(text);
  throw std::runtime_error(text);
}

ScanCall prepare_call(const std::array<Tensor, kInputs> &inputs, int64_t out_dtype) {
  onnx_code(inputs[0].scalar_type());
  check_dtypes_and_device(inputs);
  const vmamba_scan_desc desc = describe(inputs, out_dtype);
  std::array<Tensor, kInputs> contiguous = inputs;
  for (Tensor &input : contiguous) {
    if (!input.is_contiguous()) input = torch::stable::contiguous(input);
  }
  const ScalarType result =
      out_dtype == VMAMBA_FLOAT32 ? ScalarType::Float : inputs[0].scalar_type();
  Tensor y = torch::stable::new_empty(inputs[0], inputs[0].sizes(), result);
  vmamba_scan_args args{};
  args.x = contiguous[0].const_data_ptr();
  args.proj = contiguous[1].const_data_ptr();
  args.dt_weight = contiguous[2].const_data_ptr<float>();
  args.dt_bias = contiguous[3].const_data_ptr<float>();
  args.a = contiguous[4].const_data_ptr<float>();
  args.d = contiguous[5].const_data_ptr<float>();
  args.y = y.mutable_data_ptr();
  return {desc, args, std::move(contiguous), std::move(y)};
}

}  // namespace vmamba::torch_op
