#include "scan_node.h"

#include <string>
#include <utility>
#include <vector>

#include "common/signature.h"
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

Tensor read_input(const OrtKernelContext *context, int32_t index) {
  const OrtValue *value = nullptr;
  check(api->KernelContext_GetInput(context, static_cast<size_t>(index), &value));
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

}  // namespace

void check_scan(vmamba_status status) {
  if (status == VMAMBA_OK) return;
  const OrtErrorCode code = status == VMAMBA_INVALID_ARGUMENT ? ORT_INVALID_ARGUMENT : ORT_FAIL;
  throw OrtError(code, std::string("vmamba::SelectiveScan2D: ") + vmamba_last_error());
}

ScanCall prepare_call(const ScanNode &node, OrtKernelContext *context) {
  Inputs inputs;
  const void *pointers[kInputs];
  std::vector<int64_t> output_shape;
  for (int32_t i = 0; i < kInputs; ++i) {
    Tensor tensor = read_input(context, i);
    inputs.dtypes[i] = tensor.dtype;  // ONNX's numbers on both sides
    inputs.shapes[i] = make_shape(tensor.shape.data(), static_cast<int64_t>(tensor.shape.size()));
    pointers[i] = tensor.data;
    if (i == 0) output_shape = std::move(tensor.shape);
  }
  ScanCall call{};
  Problem problem;
  if (!describe_call(inputs, node.out_dtype, &call.desc, &problem)) reject(problem.text);
  check_scan(vmamba_scan_validate(&call.desc));
  OrtValue *output = nullptr;
  check(
      api->KernelContext_GetOutput(context, 0, output_shape.data(), output_shape.size(), &output));
  void *y = nullptr;
  check(api->GetTensorMutableData(output, &y));
  call.args = make_args(pointers, y);
  call.output = output;
  return call;
}

}  // namespace vmamba::ort
