#include "device.h"

#include <algorithm>

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

// What a call would launch on the emulated GPU: global_map, warps_per_scan, scans_per_block,
// tiles_per_segment, segments.
extern "C" __attribute__((visibility("default"))) void vmamba_emulated_plan(
    const vmamba_scan_desc *desc, int32_t (*plan)[5]) {
  const vmamba::LaunchPlan made = vmamba::make_plan(*desc, vmamba::emulation::device().limits);
  const int32_t numbers[] = {made.global_map ? 1 : 0, made.warps_per_scan, made.scans_per_block,
                             made.tiles_per_segment, made.segments};
  std::copy(numbers, numbers + 5, *plan);
}
