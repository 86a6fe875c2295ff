// Checks that every implementation of the C interfaces makes before it touches memory, and the text
// behind vmamba_last_error(), one per thread.
#pragma once

#include <initializer_list>

#include "vmamba/multi_level_roi_align.h"
#include "vmamba/selective_scan.h"
#include "vmamba/selective_scan_2d.h"

namespace vmamba {

// Stores the formatted text for this thread and returns status, so that a check is one statement.
__attribute__((format(printf, 2, 3))) vmamba_status fail(vmamba_status status, const char *format,
                                                         ...);

struct SizeRange {
  const char *name;
  int64_t value, least;
  int64_t most = INT64_MAX;
};

struct NamedPointer {
  const char *name;
  const void *pointer;
  bool may_be_null;
};

vmamba_status check_sizes(std::initializer_list<SizeRange> sizes);
// Of the inputs of type T and of y.
vmamba_status check_dtypes(int32_t in_dtype, int32_t out_dtype);
// The product of a tensor's sizes, as bytes of float32, must fit in 63 bits.
vmamba_status check_address_range(const char *formula, std::initializer_list<int64_t> sizes);
vmamba_status check_pointers(std::initializer_list<NamedPointer> pointers);

// The validate function of the op, then the pointers. Those of an empty batch may be NULL, but for
// the scans' parameters.
vmamba_status validate_call(const vmamba_selective_scan_desc *desc,
                            const vmamba_selective_scan_args *args);
vmamba_status validate_call(const vmamba_scan_desc *desc, const vmamba_scan_args *args);
vmamba_status validate_call(const vmamba_roi_align_desc *desc, const vmamba_roi_align_args *args);

}  // namespace vmamba
