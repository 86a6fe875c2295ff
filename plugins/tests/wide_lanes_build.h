// The kernel at 16 lanes, compiled for AVX2.
#pragma once

#include "cpu/cpu_build.h"

namespace vmamba {

extern const CpuBuild kWideTestBuild;

// Its special functions over their whole range; false, with the figures on stdout, when one is off.
bool sweep_wide_lanes();

}  // namespace vmamba
