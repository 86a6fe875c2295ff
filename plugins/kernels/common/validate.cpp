#include "common/validate.h"

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

vmamba_status check_sizes(std::initializer_list<SizeRange> sizes) {
  for (const SizeRange &size : sizes) {
    if (size.value >= size.least && size.value <= size.most) continue;
    const auto value = static_cast<long long>(size.value),
               least = static_cast<long long>(size.least), most = static_cast<long long>(size.most);
    if (size.most == INT64_MAX) {
      return fail(VMAMBA_INVALID_ARGUMENT, "%s is %lld, expected at least %lld", size.name, value,
                  least);
    }
    return fail(VMAMBA_INVALID_ARGUMENT, "%s is %lld, expected %lld..%lld", size.name, value, least,
                most);
  }
  return VMAMBA_OK;
}

vmamba_status check_dtypes(int32_t in_dtype, int32_t out_dtype) {
  if (in_dtype != VMAMBA_FLOAT32 && in_dtype != VMAMBA_FLOAT16 && in_dtype != VMAMBA_BFLOAT16) {
    return fail(VMAMBA_INVALID_ARGUMENT,
                "in_dtype is %d, expected 1 (float32), 10 (float16) or 16 (bfloat16)", in_dtype);
  }
  if (out_dtype != VMAMBA_FLOAT32 && out_dtype != in_dtype) {
    return fail(VMAMBA_INVALID_ARGUMENT, "out_dtype is %d, expected 1 (float32) or in_dtype (%d)",
                out_dtype, in_dtype);
  }
  return VMAMBA_OK;
}

vmamba_status check_address_range(const char *formula, std::initializer_list<int64_t> sizes) {
  int64_t bytes = 1;
  bool overflows = false;
  for (const int64_t size : sizes) overflows |= __builtin_mul_overflow(bytes, size, &bytes);
  overflows |= __builtin_mul_overflow(bytes, int64_t{sizeof(float)}, &bytes);
  if (!overflows) return VMAMBA_OK;
  return fail(VMAMBA_INVALID_ARGUMENT, "%s overflows 63 bits", formula);
}

vmamba_status check_pointers(std::initializer_list<NamedPointer> pointers) {
  for (const NamedPointer &entry : pointers) {
    if (entry.pointer == nullptr && !entry.may_be_null) {
      return fail(VMAMBA_INVALID_ARGUMENT, "%s is NULL", entry.name);
    }
  }
  return VMAMBA_OK;
}

}  // namespace vmamba

extern "C" const char *vmamba_last_error(void) { return vmamba::last_error; }

extern "C" uint32_t vmamba_abi_version(void) { return VMAMBA_ABI_VERSION; }
