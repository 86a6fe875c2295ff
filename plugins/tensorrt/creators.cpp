// The two functions by which IPluginRegistry::loadLibrary finds the creators. Nothing here refers
// to a symbol of TensorRT's, so the library loads beside every version and flavour of it.
#include <iterator>

#include "common/roi_align_op.h"
#include "common/scan_op.h"
#include "logging.h"
#include "op_plugin.h"

#define VMAMBA_EXPORT extern "C" __attribute__((visibility("default")))

VMAMBA_EXPORT nvinfer1::IPluginCreatorInterface *const *getCreators(int32_t &count) {
  using namespace vmamba::tensorrt;
  static OpCreator<vmamba::ScanOp> scan;
  static OpCreator<vmamba::SelectiveScanOp> general_scan;
  static OpCreator<vmamba::RoiAlignOp> roi_align;
  static nvinfer1::IPluginCreatorInterface *const creators[] = {&scan, &general_scan, &roi_align};
  count = static_cast<int32_t>(std::size(creators));
  return creators;
}

VMAMBA_EXPORT void setLoggerFinder(nvinfer1::ILoggerFinder *finder) {
  vmamba::tensorrt::set_logger_finder(finder);
}
