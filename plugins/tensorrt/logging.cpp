#include "logging.h"

#include <atomic>
#include <cstdarg>
#include <cstdio>

namespace vmamba::tensorrt {
namespace {

std::atomic<nvinfer1::ILoggerFinder *> logger_finder{nullptr};

nvinfer1::ILogger *find_logger() noexcept {
  nvinfer1::ILoggerFinder *const finder = logger_finder.load();
  return finder == nullptr ? nullptr : finder->findLogger();
}

}  // namespace

void set_logger_finder(nvinfer1::ILoggerFinder *finder) noexcept { logger_finder.store(finder); }

void log_error(const char *format, ...) noexcept {
  static constexpr char kPrefix[] = "vmamba::SelectiveScan2D: ";
  char text[640];
  const int prefix = std::snprintf(text, sizeof(text), "%s", kPrefix);
  va_list values;
  va_start(values, format);
  std::vsnprintf(text + prefix, sizeof(text) - static_cast<size_t>(prefix), format, values);
  va_end(values);
  if (nvinfer1::ILogger *const logger = find_logger()) {
    logger->log(nvinfer1::ILogger::Severity::kERROR, text);
  } else {
    std::fprintf(stderr, "%s\n", text);
  }
}

}  // namespace vmamba::tensorrt
