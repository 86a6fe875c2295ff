#include "common/last_error.h"

#include <cstdarg>
#include <cstdio>

namespace vmamba {
namespace {

// A plain array: a thread_local with a destructor would keep dlclose from unloading the library.
thread_local char last_error[512] = "";

}  // namespace

vmamba_status fail(vmamba_status status, const char *format, ...) {
  va_list values;
  va_start(values, format);
  std::vsnprintf(last_error, sizeof(last_error), format, values);
  va_end(values);
  return status;
}

}  // namespace vmamba

extern "C" const char *vmamba_last_error(void) { return vmamba::last_error; }

extern "C" uint32_t vmamba_abi_version(void) { return VMAMBA_ABI_VERSION; }
