// Makes the plugin from a node's attributes, or from the fields in an engine.
#ifndef VMAMBA_TENSORRT_CREATOR_H
#define VMAMBA_TENSORRT_CREATOR_H

#include "plugin.h"

namespace vmamba::tensorrt {

class SelectiveScanCreator final : public nvinfer1::IPluginCreatorV3One {
 public:
  SelectiveScanCreator() noexcept;

  nvinfer1::IPluginV3 *createPlugin(char const *name,
                                    nvinfer1::PluginFieldCollection const *collection,
                                    nvinfer1::TensorRTPhase phase) noexcept override;
  nvinfer1::PluginFieldCollection const *getFieldNames() noexcept override { return &fields_; }
  char const *getPluginName() const noexcept override { return kPluginName; }
  char const *getPluginVersion() const noexcept override { return kPluginVersion; }
  char const *getPluginNamespace() const noexcept override { return kPluginNamespace; }

 private:
  nvinfer1::PluginField field_;
  nvinfer1::PluginFieldCollection fields_;
};

}  // namespace vmamba::tensorrt

#endif  // VMAMBA_TENSORRT_CREATOR_H
