// Checks that every implementation of the C interface makes before it touches memory, and the text
// behind vmamba_last_error(), one per thread.
#pragma once

#include "vmamba/selective_scan_2d.h"

namespace vmamba {

// Stores the formatted text for this thread and returns status, so that a check is one statement.
__attribute__((format(printf, 2, 3))) vmamba_status fail(vmamba_status status, const char *format,
                                                         ...);

// vmamba_scan_validate(desc), then the pointers. x, proj and y of an empty batch may be NULL.
vmamba_status validate_call(const vmamba_scan_desc *desc, const vmamba_scan_args *args);

}  // namespace vmamba
