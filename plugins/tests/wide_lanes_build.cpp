// Compiled with the flags of the AVX2 build: see kernels/cpu/CMakeLists.txt.
#define VMAMBA_BUILD test_wide
#define VMAMBA_LANES 16
#include "wide_lanes_build.h"

#include "cpu/build_entry.h"
#include "cpu_vector_math_sweep.h"

namespace vmamba {

const CpuBuild kWideTestBuild = {"16 lanes on AVX2", test_wide::kLanes,
                                 test_wide::block_scratch_bytes, test_wide::run_block,
                                 test_wide::pool_box};

bool sweep_wide_lanes() { return test_wide::sweep(); }

}  // namespace vmamba
