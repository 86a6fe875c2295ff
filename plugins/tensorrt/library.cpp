// The two functions by which IPluginRegistry::loadLibrary finds the creator. Nothing here refers to
// a symbol of TensorRT's, so the library loads beside every version and flavour of it.
#include "creator.h"
#include "logging.h"

#define VMAMBA_EXPORT extern "C" __attribute__((visibility("default")))

VMAMBA_EXPORT nvinfer1::IPluginCreatorInterface *const *getCreators(int32_t &count) {
  static vmamba::tensorrt::SelectiveScanCreator creator;
  static nvinfer1::IPluginCreatorInterface *const creators[] = {&creator};
  count = 1;
  return creators;
}

VMAMBA_EXPORT void setLoggerFinder(nvinfer1::ILoggerFinder *finder) {
  vmamba::tensorrt::set_logger_finder(finder);
}
