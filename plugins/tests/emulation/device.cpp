#include "device.h"

namespace vmamba::emulation {

// An H100 until told otherwise.
Device &device() {
  static Device emulated{{132, 232448, 233472, 90}, 0};
  return emulated;
}

}  // namespace vmamba::emulation

extern "C" __attribute__((visibility("default"))) void vmamba_emulate_device(
    int32_t multiprocessors, int32_t shared_bytes_per_block,
    int32_t shared_bytes_per_multiprocessor, int32_t compute_capability, uint64_t seed) {
  vmamba::emulation::device() = {{multiprocessors, shared_bytes_per_block,
                                  shared_bytes_per_multiprocessor, compute_capability},
                                 seed};
}
