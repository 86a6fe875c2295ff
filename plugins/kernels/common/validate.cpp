#include "common/validate.h"

#include <cstdarg>
#include <cstdio>

namespace vmamba {
namespace {

// A plain array: a thread_local with a destructor would keep dlclose from unloading the library.
thread_local char last_error[512] = "";

constexpr int32_t kMaxState = 256;
constexpr int32_t kMaxRank = 256;

vmamba_status check_sizes(const vmamba_scan_desc &desc) {
  const struct {
    const char *name;
    int64_t value, least;
  } sizes[] = {{"batch", desc.batch, 0},
               {"height", desc.height, 1},
               {"width", desc.width, 1},
               {"channels", desc.channels, 1}};
  for (const auto &size : sizes) {
    if (size.value < size.least) {
      return fail(VMAMBA_INVALID_ARGUMENT, "%s is %lld, expected at least %lld", size.name,
                  static_cast<long long>(size.value), static_cast<long long>(size.least));
    }
  }
  if (desc.state < 1 || desc.state > kMaxState) {
    return fail(VMAMBA_INVALID_ARGUMENT, "state is %d, expected 1..%d", desc.state, kMaxState);
  }
  if (desc.rank < 1 || desc.rank > kMaxRank) {
    return fail(VMAMBA_INVALID_ARGUMENT, "rank is %d, expected 1..%d", desc.rank, kMaxRank);
  }
  return VMAMBA_OK;
}

// Every byte offset must fit in 63 bits, whichever of x and proj is the larger.
vmamba_status check_address_range(const vmamba_scan_desc &desc) {
  const int64_t features = VMAMBA_ROUTES * (desc.rank + 2 * static_cast<int64_t>(desc.state));
  int64_t bytes = desc.channels > features ? desc.channels : features;
  const int64_t factors[] = {desc.height, desc.width, desc.batch,
                             static_cast<int64_t>(sizeof(float))};
  for (const int64_t factor : factors) {
    if (__builtin_mul_overflow(bytes, factor, &bytes)) {
      return fail(VMAMBA_INVALID_ARGUMENT, "batch * height * width * features overflows 63 bits");
    }
  }
  return VMAMBA_OK;
}

vmamba_status check_dtypes(const vmamba_scan_desc &desc) {
  const int32_t in = desc.in_dtype;
  if (in != VMAMBA_FLOAT32 && in != VMAMBA_FLOAT16 && in != VMAMBA_BFLOAT16) {
    return fail(VMAMBA_INVALID_ARGUMENT,
                "in_dtype is %d, expected 1 (float32), 10 (float16) or 16 (bfloat16)", in);
  }
  if (desc.out_dtype != VMAMBA_FLOAT32 && desc.out_dtype != in) {
    return fail(VMAMBA_INVALID_ARGUMENT, "out_dtype is %d, expected 1 (float32) or in_dtype (%d)",
                desc.out_dtype, in);
  }
  return VMAMBA_OK;
}

}  // namespace

vmamba_status fail(vmamba_status status, const char *format, ...) {
  va_list values;
  va_start(values, format);
  std::vsnprintf(last_error, sizeof(last_error), format, values);
  va_end(values);
  return status;
}

vmamba_status validate_call(const vmamba_scan_desc *desc, const vmamba_scan_args *args) {
  const vmamba_status status = vmamba_scan_validate(desc);
  if (status != VMAMBA_OK) return status;
  if (args == nullptr) return fail(VMAMBA_INVALID_ARGUMENT, "args is NULL");
  const bool empty = desc->batch == 0;
  const struct {
    const char *name;
    const void *pointer;
    bool may_be_null;
  } pointers[] = {{"x", args->x, empty},
                  {"proj", args->proj, empty},
                  {"dt_weight", args->dt_weight, false},
                  {"dt_bias", args->dt_bias, false},
                  {"a", args->a, false},
                  {"d", args->d, false},
                  {"y", args->y, empty}};
  for (const auto &entry : pointers) {
    if (entry.pointer == nullptr && !entry.may_be_null) {
      return fail(VMAMBA_INVALID_ARGUMENT, "%s is NULL", entry.name);
    }
  }
  return VMAMBA_OK;
}

}  // namespace vmamba

extern "C" vmamba_status vmamba_scan_validate(const vmamba_scan_desc *desc) {
  if (desc == nullptr) {
    return vmamba::fail(VMAMBA_INVALID_ARGUMENT, "desc is NULL");
  }
  vmamba_status status = vmamba::check_sizes(*desc);
  if (status == VMAMBA_OK) status = vmamba::check_dtypes(*desc);
  if (status == VMAMBA_OK) status = vmamba::check_address_range(*desc);
  return status;
}

extern "C" const char *vmamba_last_error(void) { return vmamba::last_error; }

extern "C" uint32_t vmamba_abi_version(void) { return VMAMBA_ABI_VERSION; }
