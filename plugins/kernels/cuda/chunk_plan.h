// Plans of the kernels for N > 1.
#ifndef VMAMBA_KERNELS_CUDA_CHUNK_PLAN_H
#define VMAMBA_KERNELS_CUDA_CHUNK_PLAN_H

#include "cuda/launch_plan.h"

namespace vmamba {

LaunchPlan make_chunk_plan(const vmamba_scan_desc &desc, const DeviceLimits &limits);
int64_t most_chunk_segments(const vmamba_scan_desc &desc);

}  // namespace vmamba

#endif  // VMAMBA_KERNELS_CUDA_CHUNK_PLAN_H
