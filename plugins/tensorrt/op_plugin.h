// A node of an op of ours as an IPluginV3, and its creator. What differs between the ops is in a
// class `Op`, such as SelectiveScan2D:
//
//   kName, kTimingCacheId   of the plugin, and of its kernels
//   kInputs, kTypedInputs   the first of the inputs have one dtype that is chosen, the others
//   float32 kFields                 the node's attributes; the last one is the dtype of the output
//   Inputs, Desc            what is known of the inputs, and a call for the C interface
//   check_dtypes, check_shapes, describe     by the op's signature, the reason in a Problem
//   set_output              the extents of the output from those of the inputs
//   workspace_bytes, launch                  of the C interface
#pragma once

#include <NvInferRuntime.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <new>

#include "common/signature.h"
#include "common/validate.h"
#include "fields.h"
#include "logging.h"
#include "tensors.h"

namespace vmamba::tensorrt {

constexpr const char *kPluginVersion = "1";
constexpr const char *kPluginNamespace = "vmamba";

// No method overrides getInterfaceInfo: the version it states must be that of the headers' vtable.
template <typename Op>
class OpPlugin final : public nvinfer1::IPluginV3,
                       public nvinfer1::IPluginV3OneCore,
                       public nvinfer1::IPluginV3OneBuild,
                       public nvinfer1::IPluginV3OneRuntime {
 public:
  static constexpr int32_t kFieldCount = static_cast<int32_t>(std::size(Op::kFields));
  using FieldValues = int32_t[kFieldCount];

  explicit OpPlugin(const FieldValues &fields) noexcept {
    std::copy_n(fields, kFieldCount, fields_);
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
    int32_t dtypes[Op::kInputs];
    for (int32_t i = 0; i < Op::kInputs; ++i) dtypes[i] = dtype_of(input_types[i]);
    Problem problem;
    if (!logged(Op::check_dtypes(dtypes, out_dtype(), &problem), problem)) return kError;
    output_types[0] = data_type_of(out_dtype());
    return kOk;
  }

  int32_t getOutputShapes(nvinfer1::DimsExprs const *input_shapes, int32_t inputs,
                          nvinfer1::DimsExprs const *, int32_t, nvinfer1::DimsExprs *output_shapes,
                          int32_t outputs, nvinfer1::IExprBuilder &builder) noexcept override {
    if (!check_counts(inputs, outputs)) return kError;
    Shape shapes[Op::kInputs];
    for (int32_t i = 0; i < Op::kInputs; ++i) shapes[i] = shape_of(input_shapes[i]);
    Problem problem;
    if (!logged(Op::check_shapes(shapes, &problem), problem)) return kError;
    Op::set_output(input_shapes, fields_, builder, &output_shapes[0]);
    return kOk;
  }

  bool supportsFormatCombination(int32_t position, nvinfer1::DynamicPluginTensorDesc const *tensors,
                                 int32_t inputs, int32_t outputs) noexcept override {
    if (inputs != Op::kInputs || outputs != 1) return false;
    const nvinfer1::PluginTensorDesc &tensor = tensors[position].desc;
    if (tensor.format != nvinfer1::TensorFormat::kLINEAR) return false;
    const nvinfer1::DataType chosen = tensors[0].desc.type;
    if (position == 0) return dtype_of(tensor.type) != 0;
    if (position < Op::kTypedInputs) return tensor.type == chosen;
    if (position < Op::kInputs) return tensor.type == nvinfer1::DataType::kFLOAT;
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
  char const *getTimingCacheID() noexcept override { return Op::kTimingCacheId; }

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
    // TensorRT states no size: it holds at least that of the profile's largest shapes.
    vmamba_status status = Op::workspace_bytes(desc, &bytes);
    if (status == VMAMBA_OK) {
      status = Op::launch(desc, pointers, outputs[0], workspace, bytes, stream);
    }
    if (status == VMAMBA_OK) return kOk;
    log_error(Op::kName, "%s", vmamba_last_error());
    return kError;
  }

  nvinfer1::IPluginV3 *attachToContext(nvinfer1::IPluginResourceContext *) noexcept override {
    return clone();
  }

  nvinfer1::PluginFieldCollection const *getFieldsToSerialize() noexcept override {
    for (int32_t i = 0; i < kFieldCount; ++i) {
      written_[i] = {Op::kFields[i].name, &fields_[i], nvinfer1::PluginFieldType::kINT32, 1};
    }
    collection_ = {kFieldCount, written_};
    return &collection_;
  }

 private:
  static constexpr int32_t kOk = 0;
  static constexpr int32_t kError = -1;

  int32_t out_dtype() const noexcept { return fields_[kFieldCount - 1]; }

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
    typename Op::Inputs inputs;
    for (int32_t i = 0; i < Op::kInputs; ++i) {
      inputs.dtypes[i] = dtype_of(in[i].type);
      inputs.shapes[i] = shape_of(in[i].dims);
    }
    Problem problem;
    return logged(Op::describe(inputs, fields_, desc, &problem), problem);
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

  FieldValues fields_;
  // Point into this object: filled when asked for, never copied.
  nvinfer1::PluginField written_[kFieldCount];
  nvinfer1::PluginFieldCollection collection_;
};

template <typename Op>
class OpCreator final : public nvinfer1::IPluginCreatorV3One {
 public:
  OpCreator() {
    for (int32_t i = 0; i < kFieldCount; ++i) {
      fields_[i] = {Op::kFields[i].name, nullptr, nvinfer1::PluginFieldType::kINT32, 1};
    }
  }

  nvinfer1::IPluginV3 *createPlugin(char const *name,
                                    nvinfer1::PluginFieldCollection const *collection,
                                    nvinfer1::TensorRTPhase) noexcept override {
    typename OpPlugin<Op>::FieldValues values;
    for (int32_t i = 0; i < kFieldCount; ++i) {
      const char *const node = name == nullptr ? "" : name;
      if (!read_field(Op::kFields[i], collection, Op::kName, node, &values[i])) return nullptr;
    }
    auto *const plugin = new (std::nothrow) OpPlugin<Op>(values);
    if (plugin == nullptr) log_error(Op::kName, "out of memory in createPlugin");
    return plugin;
  }
  nvinfer1::PluginFieldCollection const *getFieldNames() noexcept override { return &collection_; }
  char const *getPluginName() const noexcept override { return Op::kName; }
  char const *getPluginVersion() const noexcept override { return kPluginVersion; }
  char const *getPluginNamespace() const noexcept override { return kPluginNamespace; }

 private:
  static constexpr int32_t kFieldCount = OpPlugin<Op>::kFieldCount;

  nvinfer1::PluginField fields_[kFieldCount];
  nvinfer1::PluginFieldCollection collection_{kFieldCount, fields_};
};

}  // namespace vmamba::tensorrt
