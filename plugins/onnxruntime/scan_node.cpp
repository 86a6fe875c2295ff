#include "scan_node.h"

#include <string>
#include <vector>

#include "ort_error.h"

namespace vmamba::ort {
namespace {

struct Tensor {
  std::vector<int64_t> shape;
  ONNXTensorElementDataType dtype;
  const void *data;
};

[[noreturn]] void reject(const std::string &text) {
  throw OrtError(ORT_INVALID_ARGUMENT, "vmamba::SelectiveScan2D: " + text);
}

Tensor read_input(const OrtKernelContext *context, size_t index) {
  const OrtValue *value = nullptr;
  check(api->KernelContext_GetInput(context, index, &value));
  if (value == nullptr) reject(std::string("input ") + kInputNames[index] + " is missing");
  OrtTensorTypeAndShapeInfo *info = nullptr;
  check(api->GetTensorTypeAndShape(value, &info));
  Tensor tensor{};
  try {
    size_t rank = 0;
    check(api->GetDimensionsCount(info, &rank));
    tensor.shape.resize(rank);
    check(api->GetDimensions(info, tensor.shape.data(), rank));
    check(api->GetTensorElementType(info, &tensor.dtype));
  } catch (...) {
    api->ReleaseTensorTypeAndShapeInfo(info);
    throw;
  }
  api->ReleaseTensorTypeAndShapeInfo(info);
  void *data = nullptr;  // the C interface has no read-only variant; the data is only read
  check(api->GetTensorMutableData(const_cast<OrtValue *>(value), &data));
  tensor.data = data;
  return tensor;
}

std::string text_of(const std::vector<int64_t> &shape) {
  std::string text = "[";
  for (size_t i = 0; i < shape.size(); ++i) text += (i ? "," : "") + std::to_string(shape[i]);
  return text + "]";
}

void expect_shape(const Tensor &tensor, size_t index, const std::vector<int64_t> &expected) {
  if (tensor.shape != expected) {
    reject(std::string(kInputNames[index]) + " has shape " + text_of(tensor.shape) + ", expected " +
           text_of(expected));
  }
}

void expect_rank(const Tensor &tensor, size_t index, size_t rank) {
  if (tensor.shape.size() != rank) {
    reject(std::string(kInputNames[index]) + " has shape " + text_of(tensor.shape) +
           ", expected rank " + std::to_string(rank));
  }
}

vmamba_scan_desc describe(const ScanNode &node, const std::vector<Tensor> &in) {
  const size_t ranks[kInputs] = {4, 4, 3, 2, 3, 2};
  for (size_t i = 0; i < kInputs; ++i) expect_rank(in[i], i, ranks[i]);
  vmamba_scan_desc desc{};
  desc.batch = in[0].shape[0];
  desc.height = in[0].shape[1];
  desc.width = in[0].shape[2];
  desc.channels = in[0].shape[3];
  const int64_t rank = in[2].shape[1];
  const int64_t state = in[4].shape[1];
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
  if (in[1].dtype != in[0].dtype) reject("x and proj must have one dtype");
  for (size_t i = 2; i < kInputs; ++i) {
    if (in[i].dtype != ONNX_TENSOR_ELEMENT_DATA_TYPE_FLOAT) {
      reject(std::string(kInputNames[i]) + " must be float32");
    }
  }
  desc.in_dtype = in[0].dtype;  // ONNX's numbers on both sides
  desc.out_dtype = node.out_dtype;
  check_scan(vmamba_scan_validate(&desc));
  return desc;
}

}  // namespace

void check_scan(vmamba_status status) {
  if (status == VMAMBA_OK) return;
  const OrtErrorCode code = status == VMAMBA_INVALID_ARGUMENT ? ORT_INVALID_ARGUMENT : ORT_FAIL;
  throw OrtError(code, std::string("vmamba::SelectiveScan2D: ") + vmamba_last_error());
}

ScanCall prepare_call(const ScanNode &node, OrtKernelContext *context) {
  std::vector<Tensor> in;
  for (size_t i = 0; i < kInputs; ++i) in.push_back(read_input(context, i));
  ScanCall call{};
  call.desc = describe(node, in);
  OrtValue *output = nullptr;
  check(api->KernelContext_GetOutput(context, 0, in[0].shape.data(), in[0].shape.size(), &output));
  void *y = nullptr;
  check(api->GetTensorMutableData(output, &y));
  call.args.x = in[0].data;
  call.args.proj = in[1].data;
  call.args.dt_weight = static_cast<const float *>(in[2].data);
  call.args.dt_bias = static_cast<const float *>(in[3].data);
  call.args.a = static_cast<const float *>(in[4].data);
  call.args.d = static_cast<const float *>(in[5].data);
  call.args.y = y;
  call.output = output;
  return call;
}

}  // namespace vmamba::ort
