// Messages of the plugins, through TensorRT's logger.
#pragma once

#include <NvInferRuntime.h>

namespace vmamba::tensorrt {

// What TensorRT tells the library: where its logger is.
void set_logger_finder(nvinfer1::ILoggerFinder *finder) noexcept;

// Formats and logs at severity ERROR, as of `op`; to stderr where TensorRT gave no logger.
__attribute__((format(printf, 2, 3))) void log_error(const char *op, const char *format,
                                                     ...) noexcept;

}  // namespace vmamba::tensorrt
