// Checks that every implementation of the C interface makes before it touches memory.
#ifndef VMAMBA_KERNELS_COMMON_VALIDATE_H
#define VMAMBA_KERNELS_COMMON_VALIDATE_H

#include "vmamba/selective_scan_2d.h"

namespace vmamba {

// vmamba_scan_validate(desc), then the pointers. x, proj and y of an empty batch may be NULL.
vmamba_status validate_call(const vmamba_scan_desc *desc, const vmamba_scan_args *args);

}  // namespace vmamba

#endif  // VMAMBA_KERNELS_COMMON_VALIDATE_H
