#include "plugin.h"

#include <algorithm>
#include <new>

#include "common/signature.h"
#include "vmamba/selective_scan_2d.h"

namespace vmamba::tensorrt {
namespace {

using nvinfer1::DataType;
using nvinfer1::DynamicPluginTensorDesc;
using nvinfer1::PluginTensorDesc;

Shape shape_of(const nvinfer1::Dims &dims) noexcept { return make_shape(dims.d, dims.nbDims); }

Shape shape_of(const nvinfer1::DimsExprs &dims) noexcept {
  int64_t extents[nvinfer1::Dims::MAX_DIMS];
  for (int32_t i = 0; i < dims.nbDims; ++i) {
    extents[i] = dims.d[i]->isConstant() ? dims.d[i]->getConstantValue() : kUnknown;
  }
  return make_shape(extents, dims.nbDims);
}

// The vmamba_dtype of type, or 0.
int32_t dtype_of(DataType type) noexcept {
  if (type == DataType::kFLOAT) return VMAMBA_FLOAT32;
  if (type == DataType::kHALF) return VMAMBA_FLOAT16;
  return type == DataType::kBF16 ? VMAMBA_BFLOAT16 : 0;
}

DataType data_type_of(int32_t dtype) noexcept {
  if (dtype == VMAMBA_FLOAT16) return DataType::kHALF;
  return dtype == VMAMBA_BFLOAT16 ? DataType::kBF16 : DataType::kFLOAT;
}

constexpr int32_t kOk = 0;
constexpr int32_t kError = -1;

bool check_counts(int32_t inputs, int32_t outputs) noexcept {
  if (inputs == kInputs && outputs == kOutputs) return true;
  log_error("the node has %d inputs and %d outputs, expected %d and %d", inputs, outputs, kInputs,
            kOutputs);
  return false;
}

bool logged(bool fits, const Problem &problem) noexcept {
  if (!fits) log_error("%s", problem.text);
  return fits;
}

bool describe(PluginTensorDesc const *in, int32_t out_dtype, vmamba_scan_desc *desc) noexcept {
  Inputs inputs;
  Problem problem;
  for (int32_t i = 0; i < kInputs; ++i) {
    inputs.dtypes[i] = dtype_of(in[i].type);
    inputs.shapes[i] = shape_of(in[i].dims);
  }
  return logged(describe_call(inputs, out_dtype, desc, &problem), problem);
}

bool describe_largest(DynamicPluginTensorDesc const *in, int32_t out_dtype,
                      vmamba_scan_desc *desc) noexcept {
  PluginTensorDesc largest[kInputs];
  for (int32_t i = 0; i < kInputs; ++i) {
    largest[i] = in[i].desc;
    largest[i].dims = in[i].max;
  }
  return describe(largest, out_dtype, desc);
}

}  // namespace

nvinfer1::IPluginCapability *SelectiveScanPlugin::getCapabilityInterface(
    nvinfer1::PluginCapabilityType type) noexcept {
  switch (type) {
    case nvinfer1::PluginCapabilityType::kCORE:
      return static_cast<nvinfer1::IPluginV3OneCore *>(this);
    case nvinfer1::PluginCapabilityType::kBUILD:
      return static_cast<nvinfer1::IPluginV3OneBuild *>(this);
    case nvinfer1::PluginCapabilityType::kRUNTIME:
      return static_cast<nvinfer1::IPluginV3OneRuntime *>(this);
  }
  return nullptr;
}

nvinfer1::IPluginV3 *SelectiveScanPlugin::clone() noexcept {
  auto *const copy = new (std::nothrow) SelectiveScanPlugin(out_dtype_);
  if (copy == nullptr) log_error("out of memory in clone");
  return copy;
}

int32_t SelectiveScanPlugin::getNbOutputs() const noexcept { return kOutputs; }

int32_t SelectiveScanPlugin::getOutputDataTypes(DataType *output_types, int32_t outputs,
                                                DataType const *input_types,
                                                int32_t inputs) const noexcept {
  if (!check_counts(inputs, outputs)) return kError;
  int32_t dtypes[kInputs];
  for (int32_t i = 0; i < kInputs; ++i) dtypes[i] = dtype_of(input_types[i]);
  Problem problem;
  if (!logged(check_dtypes(dtypes, out_dtype_, &problem), problem)) return kError;
  output_types[0] = data_type_of(out_dtype_);
  return kOk;
}

int32_t SelectiveScanPlugin::getOutputShapes(nvinfer1::DimsExprs const *input_shapes,
                                             int32_t inputs, nvinfer1::DimsExprs const *, int32_t,
                                             nvinfer1::DimsExprs *output_shapes, int32_t outputs,
                                             nvinfer1::IExprBuilder &) noexcept {
  if (!check_counts(inputs, outputs)) return kError;
  Shape shapes[kInputs];
  for (int32_t i = 0; i < kInputs; ++i) shapes[i] = shape_of(input_shapes[i]);
  vmamba_scan_desc desc{};
  Problem problem;
  if (!logged(read_sizes(shapes, &desc, &problem), problem)) return kError;
  output_shapes[0] = input_shapes[0];
  return kOk;
}

bool SelectiveScanPlugin::supportsFormatCombination(int32_t position,
                                                    DynamicPluginTensorDesc const *tensors,
                                                    int32_t inputs, int32_t outputs) noexcept {
  if (inputs != kInputs || outputs != kOutputs) return false;
  const PluginTensorDesc &tensor = tensors[position].desc;
  if (tensor.format != nvinfer1::TensorFormat::kLINEAR) return false;
  const DataType x_type = tensors[0].desc.type;
  switch (position) {
    case 0:
      return dtype_of(tensor.type) != 0;
    case 1:
      return tensor.type == x_type;
    case kInputs:
      return tensor.type == data_type_of(out_dtype_) &&
             (tensor.type == DataType::kFLOAT || tensor.type == x_type);
    default:
      return tensor.type == DataType::kFLOAT;
  }
}

int32_t SelectiveScanPlugin::configurePlugin(DynamicPluginTensorDesc const *in, int32_t inputs,
                                             DynamicPluginTensorDesc const *,
                                             int32_t outputs) noexcept {
  vmamba_scan_desc desc{};
  const bool fits = check_counts(inputs, outputs) && describe_largest(in, out_dtype_, &desc);
  return fits ? kOk : kError;
}

size_t SelectiveScanPlugin::getWorkspaceSize(DynamicPluginTensorDesc const *in, int32_t inputs,
                                             DynamicPluginTensorDesc const *,
                                             int32_t outputs) const noexcept {
  vmamba_scan_desc desc{};
  size_t bytes = 0;
  if (!check_counts(inputs, outputs) || !describe_largest(in, out_dtype_, &desc)) return 0;
  if (vmamba_scan_cuda_workspace(&desc, &bytes) != VMAMBA_OK) {
    log_error("workspace of the profile's largest shapes: %s", vmamba_last_error());
    return 0;
  }
  return bytes;
}

// Types, formats and shapes are part of the cache's key already; this names the kernels.
char const *SelectiveScanPlugin::getTimingCacheID() noexcept { return "selective_scan_2d-2"; }

int32_t SelectiveScanPlugin::onShapeChange(PluginTensorDesc const *in, int32_t inputs,
                                           PluginTensorDesc const *, int32_t outputs) noexcept {
  vmamba_scan_desc desc{};
  return check_counts(inputs, outputs) && describe(in, out_dtype_, &desc) ? kOk : kError;
}

int32_t SelectiveScanPlugin::enqueue(PluginTensorDesc const *input_descs, PluginTensorDesc const *,
                                     void const *const *inputs, void *const *outputs,
                                     void *workspace, cudaStream_t stream) noexcept {
  vmamba_scan_desc desc{};
  size_t bytes = 0;
  if (!describe(input_descs, out_dtype_, &desc)) return kError;
  const void *pointers[kInputs];
  std::copy_n(inputs, kInputs, pointers);
  const vmamba_scan_args args = make_args(pointers, outputs[0]);
  // TensorRT states no size: it holds at least that of the profile's largest shapes.
  vmamba_status status = vmamba_scan_cuda_workspace(&desc, &bytes);
  if (status == VMAMBA_OK) status = vmamba_scan_cuda(&desc, &args, workspace, bytes, stream);
  if (status == VMAMBA_OK) return kOk;
  log_error("%s", vmamba_last_error());
  return kError;
}

nvinfer1::IPluginV3 *SelectiveScanPlugin::attachToContext(
    nvinfer1::IPluginResourceContext *) noexcept {
  return clone();
}

nvinfer1::PluginFieldCollection const *SelectiveScanPlugin::getFieldsToSerialize() noexcept {
  field_ = {kOutDtypeField, &out_dtype_, nvinfer1::PluginFieldType::kINT32, 1};
  fields_ = {1, &field_};
  return &fields_;
}

}  // namespace vmamba::tensorrt
