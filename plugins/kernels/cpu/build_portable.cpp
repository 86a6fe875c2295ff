#define VMAMBA_BUILD portable
#define VMAMBA_LANES 4
#include "cpu/build_entry.h"

namespace vmamba {
const CpuBuild kPortableBuild = {"portable", portable::kLanes, portable::block_scratch_bytes,
                                 portable::run_block, portable::pool_box};
}  // namespace vmamba
