#define VMAMBA_BUILD avx512
#define VMAMBA_LANES 16
#include "cpu/build_entry.h"

namespace vmamba {
const CpuBuild kAvx512Build = {"avx512", avx512::kLanes, avx512::block_scratch_bytes,
                               avx512::run_block, avx512::pool_box};
}  // namespace vmamba
