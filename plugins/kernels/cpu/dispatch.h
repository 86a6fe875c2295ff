// Which build of the kernel this machine runs.
#ifndef VMAMBA_KERNELS_CPU_DISPATCH_H
#define VMAMBA_KERNELS_CPU_DISPATCH_H

#include "cpu/cpu_build.h"

namespace vmamba {

// The best build that this machine can run, or the one that VMAMBA_CPU_ISA names; decided once.
// NULL, with the reason in vmamba_last_error(), when that name is unknown or the machine lacks it.
const CpuBuild *selected_build();

}  // namespace vmamba

#endif  // VMAMBA_KERNELS_CPU_DISPATCH_H
