// The kernel at 16 lanes, compiled for AVX2.
#ifndef VMAMBA_TESTS_WIDE_LANES_BUILD_H
#define VMAMBA_TESTS_WIDE_LANES_BUILD_H

#include "cpu/block.h"

namespace vmamba {

extern const CpuBuild kWideTestBuild;

// Its special functions over their whole range; false, with the figures on stdout, when one is off.
bool sweep_wide_lanes();

}  // namespace vmamba

#endif  // VMAMBA_TESTS_WIDE_LANES_BUILD_H
