// The text behind vmamba_last_error(), one per thread.
#ifndef VMAMBA_KERNELS_COMMON_LAST_ERROR_H
#define VMAMBA_KERNELS_COMMON_LAST_ERROR_H

#include "vmamba/selective_scan_2d.h"

namespace vmamba {

// Stores the formatted text for this thread and returns status, so that a check is one statement.
__attribute__((format(printf, 2, 3))) vmamba_status fail(vmamba_status status, const char *format,
                                                         ...);

}  // namespace vmamba

#endif  // VMAMBA_KERNELS_COMMON_LAST_ERROR_H
