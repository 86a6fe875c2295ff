// A vector is one register of the 32: wider ones, of two registers, GCC keeps in memory.
#define VMAMBA_BUILD neon
#define VMAMBA_LANES 4
#define VMAMBA_NEON 1  // not told by a flag, for every aarch64 has it
#include "cpu/build_entry.h"

namespace vmamba {
const CpuBuild kNeonBuild = {"neon", neon::kLanes, neon::block_scratch_bytes, neon::run_block,
                             neon::pool_box};
}  // namespace vmamba
