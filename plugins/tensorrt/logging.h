// Messages of the plugin, through TensorRT's logger.
#ifndef VMAMBA_TENSORRT_LOGGING_H
#define VMAMBA_TENSORRT_LOGGING_H

#include <NvInferRuntime.h>

namespace vmamba::tensorrt {

void set_logger_finder(nvinfer1::ILoggerFinder *finder) noexcept;

// Formats and logs at severity ERROR; to stderr where TensorRT gave no logger.
__attribute__((format(printf, 1, 2))) void log_error(const char *format, ...) noexcept;

}  // namespace vmamba::tensorrt

#endif  // VMAMBA_TENSORRT_LOGGING_H
