// A node of an op of ours as an IPluginV3, and its creator. What differs between the ops is their
// argument `Op` (see common/signature.h); an engine keeps the node's attributes, as int32 or lists
// of it.
#pragma once

#include <NvInferRuntime.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <new>

#include "common/signature.h"
#include "fields.h"
#include "logging.h"
#include "tensors.h"

namespace vmamba::tensorrt {

constexpr const char *kPluginVersion = "1";
constexpr const char *kPluginNamespace = "vmamba";

// An attribute as an engine keeps it.
struct KeptAttribute {
  int32_t values[kMaxAttributeValues];
  int32_t count;

  // Of a value that the op accepted, so that it fits.
  explicit KeptAttribute(const AttributeValue &value = {}) noexcept
      : count(static_cast<int32_t>(value.count)) {
    std::transform(value.values, value.values + kMaxAttributeValues, values,
                   [](int64_t each) { return static_cast<int32_t>(each); });
  }
  AttributeValue value() const noexcept {
    int64_t wide[kMaxAttributeValues];
    std::copy_n(values, kMaxAttributeValues, wide);
    return make_attribute(wide, count);
  }
};

// No method overrides getInterfaceInfo: the version it states must be that of the headers' vtable.
template <typename Op>
class OpPlugin final : public nvinfer1::IPluginV3,
                       public nvinfer1::IPluginV3OneCore,
                       public nvinfer1::IPluginV3OneBuild,
                       public nvinfer1::IPluginV3OneRuntime {
 public:
  using Fields = KeptAttribute[Op::kAttributes];

  explicit OpPlugin(const Fields &fields) noexcept {
    std::copy_n(fields, Op::kAttributes, fields_);
  }

  // IPluginV3
  nvinfer1::IPluginCapability *getCapabilityInterface(
      nvinfer1::PluginCapabilityType type) noexcept override {
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
  nvinfer1::IPluginV3 *clone() noexcept override {
    auto *const copy = new (std::nothrow) OpPlugin(fields_);
    if (copy == nullptr) log_error(Op::kName, "out of memory in clone");
    return copy;
  }

  // IPluginV3OneCore
  char const *getPluginName() const noexcept override { return Op::kName; }
  char const *getPluginVersion() const noexcept override { return kPluginVersion; }
  char const *getPluginNamespace() const noexcept override { return kPluginNamespace; }

  // IPluginV3OneBuild
  int32_t getNbOutputs() const noexcept override { return 1; }

  int32_t getOutputDataTypes(nvinfer1::DataType *output_types, int32_t outputs,
                             nvinfer1::DataType const *input_types,
                             int32_t inputs) const noexcept override {
    if (!check_counts(inputs, outputs)) return kError;
    CallFacts<Op> call = facts();
    for (int32_t i = 0; i < Op::kInputs; ++i) call.dtypes[i] = dtype_of(input_types[i]);
    Problem problem;
    if (!logged(check_dtypes(call, &problem), problem)) return kError;
    output_types[0] = data_type_of(out_dtype());
    return kOk;
  }

  int32_t getOutputShapes(nvinfer1::DimsExprs const *input_shapes, int32_t inputs,
                          nvinfer1::DimsExprs const *, int32_t, nvinfer1::DimsExprs *output_shapes,
                          int32_t outputs, nvinfer1::IExprBuilder &builder) noexcept override {
    if (!check_counts(inputs, outputs)) return kError;
    CallFacts<Op> call = facts();
    for (int32_t i = 0; i < Op::kInputs; ++i) call.shapes[i] = shape_of(input_shapes[i]);
    typename Op::Desc desc{};
    Problem problem;
    if (!logged(Op::read_sizes(call, &desc, &problem), problem)) return kError;
    nvinfer1::DimsExprs &y = output_shapes[0];
    y.nbDims = 0;
    for (const AxisSource &from : Op::kOutputAxes) {
      if (from.input == kFromAttribute) {
        y.d[y.nbDims++] = builder.constant(fields_[from.index].values[0]);
      } else {
        const nvinfer1::DimsExprs &input = input_shapes[from.input];
        y.d[y.nbDims++] = input.d[from.axis_of(input.nbDims)];
      }
    }
    return kOk;
  }

  bool supportsFormatCombination(int32_t position, nvinfer1::DynamicPluginTensorDesc const *tensors,
                                 int32_t inputs, int32_t outputs) noexcept override {
    if (inputs != Op::kInputs || outputs != 1) return false;
    const nvinfer1::PluginTensorDesc &tensor = tensors[position].desc;
    if (tensor.format != nvinfer1::TensorFormat::kLINEAR) return false;
    const nvinfer1::DataType chosen = tensors[0].desc.type;
    if (position == 0) return dtype_of(tensor.type) != 0;
    if (position < Op::kInputs) {
      return tensor.type == (Op::kInputSpecs[position].is_t ? chosen : nvinfer1::DataType::kFLOAT);
    }
    return tensor.type == data_type_of(out_dtype()) &&
           (tensor.type == nvinfer1::DataType::kFLOAT || tensor.type == chosen);
  }

  int32_t configurePlugin(nvinfer1::DynamicPluginTensorDesc const *in, int32_t inputs,
                          nvinfer1::DynamicPluginTensorDesc const *,
                          int32_t outputs) noexcept override {
    typename Op::Desc desc{};
    return check_counts(inputs, outputs) && describe_largest(in, &desc) ? kOk : kError;
  }

  size_t getWorkspaceSize(nvinfer1::DynamicPluginTensorDesc const *in, int32_t inputs,
                          nvinfer1::DynamicPluginTensorDesc const *,
                          int32_t outputs) const noexcept override {
    typename Op::Desc desc{};
    size_t bytes = 0;
    if (!check_counts(inputs, outputs) || !describe_largest(in, &desc)) return 0;
    if (Op::workspace_bytes(desc, &bytes) != VMAMBA_OK) {
      log_error(Op::kName, "workspace of the profile's largest shapes: %s", vmamba_last_error());
      return 0;
    }
    return bytes;
  }

  // Types, formats and shapes are part of the cache's key already; this names the kernels.
  char const *getTimingCacheID() noexcept override { return Op::kCudaKernels; }

  // IPluginV3OneRuntime
  int32_t onShapeChange(nvinfer1::PluginTensorDesc const *in, int32_t inputs,
                        nvinfer1::PluginTensorDesc const *, int32_t outputs) noexcept override {
    typename Op::Desc desc{};
    return check_counts(inputs, outputs) && describe(in, &desc) ? kOk : kError;
  }

  int32_t enqueue(nvinfer1::PluginTensorDesc const *input_descs, nvinfer1::PluginTensorDesc const *,
                  void const *const *inputs, void *const *outputs, void *workspace,
                  cudaStream_t stream) noexcept override {
    typename Op::Desc desc{};
    size_t bytes = 0;
    if (!describe(input_descs, &desc)) return kError;
    const void *pointers[Op::kInputs];
    std::copy_n(inputs, Op::kInputs, pointers);
    const typename Op::Args args = Op::make_args(pointers, outputs[0]);
    // TensorRT states no size: it holds at least that of the profile's largest shapes.
    vmamba_status status = Op::workspace_bytes(desc, &bytes);
    if (status == VMAMBA_OK) status = Op::run_cuda(desc, args, workspace, bytes, stream);
    if (status == VMAMBA_OK) return kOk;
    log_error(Op::kName, "%s", vmamba_last_error());
    return kError;
  }

  nvinfer1::IPluginV3 *attachToContext(nvinfer1::IPluginResourceContext *) noexcept override {
    return clone();
  }

  nvinfer1::PluginFieldCollection const *getFieldsToSerialize() noexcept override {
    for (int32_t i = 0; i < Op::kAttributes; ++i) {
      written_[i] = {Op::kAttributeSpecs[i].name, fields_[i].values,
                     nvinfer1::PluginFieldType::kINT32, fields_[i].count};
    }
    collection_ = {Op::kAttributes, written_};
    return &collection_;
  }

 private:
  static constexpr int32_t kOk = 0;
  static constexpr int32_t kError = -1;

  int32_t out_dtype() const noexcept { return fields_[Op::kAttributes - 1].values[0]; }

  // Of a call: the attributes.
  CallFacts<Op> facts() const noexcept {
    CallFacts<Op> call;
    std::transform(fields_, fields_ + Op::kAttributes, call.attributes,
                   [](const KeptAttribute &field) { return field.value(); });
    return call;
  }

  static bool check_counts(int32_t inputs, int32_t outputs) noexcept {
    if (inputs == Op::kInputs && outputs == 1) return true;
    log_error(Op::kName, "the node has %d inputs and %d outputs, expected %d and 1", inputs,
              outputs, Op::kInputs);
    return false;
  }

  static bool logged(bool fits, const Problem &problem) noexcept {
    if (!fits) log_error(Op::kName, "%s", problem.text);
    return fits;
  }

  bool describe(nvinfer1::PluginTensorDesc const *in, typename Op::Desc *desc) const noexcept {
    CallFacts<Op> call = facts();
    for (int32_t i = 0; i < Op::kInputs; ++i) {
      call.dtypes[i] = dtype_of(in[i].type);
      call.shapes[i] = shape_of(in[i].dims);
    }
    Problem problem;
    return logged(describe_call(call, desc, &problem), problem);
  }

  bool describe_largest(nvinfer1::DynamicPluginTensorDesc const *in,
                        typename Op::Desc *desc) const noexcept {
    nvinfer1::PluginTensorDesc largest[Op::kInputs];
    for (int32_t i = 0; i < Op::kInputs; ++i) {
      largest[i] = in[i].desc;
      largest[i].dims = in[i].max;
    }
    return describe(largest, desc);
  }

  Fields fields_;
  // Point into this object: filled when asked for, never copied.
  nvinfer1::PluginField written_[Op::kAttributes];
  nvinfer1::PluginFieldCollection collection_;
};

template <typename Op>
class OpCreator final : public nvinfer1::IPluginCreatorV3One {
 public:
  OpCreator() {
    for (int32_t i = 0; i < Op::kAttributes; ++i) {
      fields_[i] = {Op::kAttributeSpecs[i].name, nullptr, nvinfer1::PluginFieldType::kINT32, 1};
    }
  }

  nvinfer1::IPluginV3 *createPlugin(char const *name,
                                    nvinfer1::PluginFieldCollection const *collection,
                                    nvinfer1::TensorRTPhase) noexcept override {
    const char *const node = name == nullptr ? "" : name;
    AttributeValue attributes[Op::kAttributes];
    for (int32_t i = 0; i < Op::kAttributes; ++i) {
      const Field field{Op::kName, node, Op::kAttributeSpecs[i]};
      if (!read_field(field, collection, &attributes[i])) return nullptr;
    }
    Problem problem;
    if (!Op::check_attributes(attributes, &problem)) {
      log_error(Op::kName, "node \"%s\": %s", node, problem.text);
      return nullptr;
    }
    typename OpPlugin<Op>::Fields fields;
    std::transform(attributes, attributes + Op::kAttributes, fields,
                   [](const AttributeValue &value) { return KeptAttribute(value); });
    auto *const plugin = new (std::nothrow) OpPlugin<Op>(fields);
    if (plugin == nullptr) log_error(Op::kName, "out of memory in createPlugin");
    return plugin;
  }
  nvinfer1::PluginFieldCollection const *getFieldNames() noexcept override { return &collection_; }
  char const *getPluginName() const noexcept override { return Op::kName; }
  char const *getPluginVersion() const noexcept override { return kPluginVersion; }
  char const *getPluginNamespace() const noexcept override { return kPluginNamespace; }

 private:
  nvinfer1::PluginField fields_[Op::kAttributes];
  nvinfer1::PluginFieldCollection collection_{Op::kAttributes, fields_};
};

}  // namespace vmamba::tensorrt
