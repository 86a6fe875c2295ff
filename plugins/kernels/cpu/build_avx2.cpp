#define VMAMBA_BUILD avx2
#define VMAMBA_LANES 8
#include "cpu/build_entry.h"

namespace vmamba {
const CpuBuild kAvx2Build = {"avx2", avx2::kLanes, avx2::block_scratch_bytes, avx2::run_block,
                             avx2::pool_box};
}  // namespace vmamba
