#include "device.h"

#include <algorithm>

#include "cuda/chunk_shape.h"

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
// tiles_per_segment, segments; the states of a walk and whether a launch finds the segments'
// starts.
extern "C" __attribute__((visibility("default"))) void vmamba_emulated_plan(
    const vmamba_scan_desc *desc, int32_t (*plan)[7]) {
  const vmamba::LaunchPlan made = vmamba::make_plan(*desc, vmamba::emulation::device().limits);
  const bool walks = desc->state > 1;
  const int32_t numbers[] = {
      made.global_map ? 1 : 0,
      made.warps_per_scan,
      made.scans_per_block,
      made.tiles_per_segment,
      made.segments,
      walks ? vmamba::kWalkedChannels * vmamba::lane_states(desc->state) : 1,
      walks && made.segments > vmamba::kFoldedSegments ? 1 : 0,
  };
  std::copy(numbers, numbers + 7, *plan);
}
