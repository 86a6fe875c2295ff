#include "logging.h"

#include <dlfcn.h>

#include <atomic>
#include <cstdarg>
#include <cstdint>
#include <cstdio>

namespace vmamba::tensorrt {

// TensorRT-RTX 1.7 gave ILogger and ILoggerFinder the base IVersionedInterface, and with it another
// vtable than the headers of TensorRT 10 declare: this is its logger. Not in the unnamed namespace,
// where the compiler would see that nothing implements it.
class VersionedLogger {
 public:
  virtual int32_t getAPILanguage() const noexcept = 0;
  virtual nvinfer1::InterfaceInfo getInterfaceInfo() const noexcept = 0;
  virtual ~VersionedLogger() = default;
  virtual void log(nvinfer1::ILogger::Severity severity, const char *text) noexcept = 0;
};

namespace {

using nvinfer1::ILogger;
using nvinfer1::ILoggerFinder;
using Severity = ILogger::Severity;
using GetLogger = ILogger *(*)();

std::atomic<ILoggerFinder *> logger_finder{nullptr};
std::atomic<GetLogger> get_logger{nullptr};

// getLogger of the library that holds the finder's code: every flavour and version exports it.
GetLogger find_get_logger(const ILoggerFinder *finder) noexcept {
  const void *const vtable = *reinterpret_cast<const void *const *>(finder);
  Dl_info owner{};
  if (dladdr(vtable, &owner) == 0 || owner.dli_fname == nullptr) return nullptr;
  void *const library = dlopen(owner.dli_fname, RTLD_LAZY | RTLD_NOLOAD);
  if (library == nullptr) return nullptr;
  const auto function = reinterpret_cast<GetLogger>(dlsym(library, "getLogger"));
  dlclose(library);  // only this reference: TensorRT keeps its own
  return function;
}

// False where there is no logger, or none that could be told to have one of the two vtables. The
// finder's first method tells: findLogger gives that logger, getAPILanguage gives 0 (C++).
bool log_through_tensorrt(Severity severity, const char *text) noexcept {
  const GetLogger function = get_logger.load();
  ILogger *const logger = function == nullptr ? nullptr : function();
  if (logger == nullptr) return false;
  const ILogger *const first = logger_finder.load()->findLogger();
  if (first == logger) {
    logger->log(severity, text);
    return true;
  }
  // An enumeration is returned in the lower half of the register.
  if (static_cast<uint32_t>(reinterpret_cast<uintptr_t>(first)) != 0) return false;
  reinterpret_cast<VersionedLogger *>(logger)->log(severity, text);
  return true;
}

}  // namespace

void set_logger_finder(ILoggerFinder *finder) noexcept {
  logger_finder.store(finder);
  get_logger.store(finder == nullptr ? nullptr : find_get_logger(finder));
}

void log_error(const char *op, const char *format, ...) noexcept {
  char text[640];
  const int prefix = std::snprintf(text, sizeof(text), "vmamba::%s: ", op);
  va_list values;
  va_start(values, format);
  std::vsnprintf(text + prefix, sizeof(text) - static_cast<size_t>(prefix), format, values);
  va_end(values);
  if (!log_through_tensorrt(Severity::kERROR, text)) std::fprintf(stderr, "%s\n", text);
}

}  // namespace vmamba::tensorrt
