// The GPU that is emulated: what a plan asks of it, and the order in which its threads run.
#ifndef VMAMBA_TESTS_EMULATION_DEVICE_H
#define VMAMBA_TESTS_EMULATION_DEVICE_H

#include <cstdint>

#include "cuda/shared/device.h"

namespace vmamba::emulation {

struct Device {
  DeviceLimits limits;
  uint64_t seed;  // of the order in which blocks and waiting threads go on; 0 is their number
};

Device &device();

}  // namespace vmamba::emulation

#endif  // VMAMBA_TESTS_EMULATION_DEVICE_H
