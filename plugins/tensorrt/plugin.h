// The node SelectiveScan2D as an IPluginV3, and its messages.
#pragma once

#include <NvInferRuntime.h>

#include <cstddef>
#include <cstdint>

namespace vmamba::tensorrt {

constexpr const char *kPluginName = "SelectiveScan2D";
constexpr const char *kPluginVersion = "1";
constexpr const char *kPluginNamespace = "vmamba";
constexpr const char *kOutDtypeField = "out_dtype";

// No method overrides getInterfaceInfo: the version it states must be that of the headers' vtable.
class SelectiveScanPlugin final : public nvinfer1::IPluginV3,
                                  public nvinfer1::IPluginV3OneCore,
                                  public nvinfer1::IPluginV3OneBuild,
                                  public nvinfer1::IPluginV3OneRuntime {
 public:
  // out_dtype: the vmamba_dtype of y.
  explicit SelectiveScanPlugin(int32_t out_dtype) noexcept : out_dtype_(out_dtype) {}

  // IPluginV3
  nvinfer1::IPluginCapability *getCapabilityInterface(
      nvinfer1::PluginCapabilityType type) noexcept override;
  nvinfer1::IPluginV3 *clone() noexcept override;

  // IPluginV3OneCore
  char const *getPluginName() const noexcept override { return kPluginName; }
  char const *getPluginVersion() const noexcept override { return kPluginVersion; }
  char const *getPluginNamespace() const noexcept override { return kPluginNamespace; }

  // IPluginV3OneBuild
  int32_t getNbOutputs() const noexcept override;
  int32_t getOutputDataTypes(nvinfer1::DataType *output_types, int32_t outputs,
                             nvinfer1::DataType const *input_types,
                             int32_t inputs) const noexcept override;
  int32_t getOutputShapes(nvinfer1::DimsExprs const *input_shapes, int32_t inputs,
                          nvinfer1::DimsExprs const *shape_inputs, int32_t shape_input_count,
                          nvinfer1::DimsExprs *output_shapes, int32_t outputs,
                          nvinfer1::IExprBuilder &builder) noexcept override;
  bool supportsFormatCombination(int32_t position, nvinfer1::DynamicPluginTensorDesc const *tensors,
                                 int32_t inputs, int32_t outputs) noexcept override;
  int32_t configurePlugin(nvinfer1::DynamicPluginTensorDesc const *in, int32_t inputs,
                          nvinfer1::DynamicPluginTensorDesc const *out,
                          int32_t outputs) noexcept override;
  size_t getWorkspaceSize(nvinfer1::DynamicPluginTensorDesc const *in, int32_t inputs,
                          nvinfer1::DynamicPluginTensorDesc const *out,
                          int32_t outputs) const noexcept override;
  char const *getTimingCacheID() noexcept override;

  // IPluginV3OneRuntime
  int32_t onShapeChange(nvinfer1::PluginTensorDesc const *in, int32_t inputs,
                        nvinfer1::PluginTensorDesc const *out, int32_t outputs) noexcept override;
  int32_t enqueue(nvinfer1::PluginTensorDesc const *input_descs,
                  nvinfer1::PluginTensorDesc const *output_descs, void const *const *inputs,
                  void *const *outputs, void *workspace, cudaStream_t stream) noexcept override;
  nvinfer1::IPluginV3 *attachToContext(nvinfer1::IPluginResourceContext *context) noexcept override;
  nvinfer1::PluginFieldCollection const *getFieldsToSerialize() noexcept override;

 private:
  int32_t out_dtype_;
  nvinfer1::PluginField field_;  // points into this object: filled when asked for, never copied
  nvinfer1::PluginFieldCollection fields_;
};

// What TensorRT tells the library: where its logger is.
void set_logger_finder(nvinfer1::ILoggerFinder *finder) noexcept;

// Formats and logs at severity ERROR; to stderr where TensorRT gave no logger.
__attribute__((format(printf, 1, 2))) void log_error(const char *format, ...) noexcept;

}  // namespace vmamba::tensorrt
