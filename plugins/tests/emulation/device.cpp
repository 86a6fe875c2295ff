#include "device.h"

#include "cuda/many_states/shape.h"
#include "cuda/one_state/shape.h"
#include "cuda/roi_align/plan.h"
#include "cuda/shared/launch_plan.h"

namespace vmamba::emulation {

// An H100 until told otherwise.
Device &device() {
  static Device emulated{{132, 232448, 233472, 32, 90}, 0};
  return emulated;
}

}  // namespace vmamba::emulation

extern "C" __attribute__((visibility("default"))) void vmamba_emulate_device(
    int32_t multiprocessors, int32_t shared_bytes_per_block,
    int32_t shared_bytes_per_multiprocessor, int32_t blocks_per_multiprocessor,
    int32_t compute_capability, uint64_t seed) {
  vmamba::emulation::device() = {
      {multiprocessors, shared_bytes_per_block, shared_bytes_per_multiprocessor,
       blocks_per_multiprocessor, compute_capability},
      seed};
}

namespace {

struct EmulatedPlan {
  int32_t global_map, warps_per_scan, scans_per_block, pieces_per_segment, segments;
  int32_t walk_states, finds_starts;  // of one walk; whether a launch finds the segments' starts
  int32_t shared_bytes, barriers, resident_blocks;
  int32_t starts_late;  // a segment's first tile is scanned before its start is asked for
};

}  // namespace

// What a call would launch on the emulated GPU.
extern "C" __attribute__((visibility("default"))) void vmamba_emulated_plan(
    const vmamba_selective_scan_desc *desc, EmulatedPlan *plan) {
  const vmamba::LaunchPlan made = vmamba::make_plan(*desc, vmamba::emulation::device().limits);
  const bool walks = !made.one_state;
  plan->global_map = made.global_map ? 1 : 0;
  plan->warps_per_scan = made.warps_per_scan;
  plan->scans_per_block = made.scans_per_block;
  plan->pieces_per_segment = made.pieces_per_segment;
  plan->segments = made.segments;
  plan->walk_states = walks ? vmamba::kWalkedChannels * vmamba::lane_states(desc->state) : 1;
  plan->finds_starts = walks && made.segments > vmamba::kFoldedSegments ? 1 : 0;
  plan->shared_bytes = made.shared.total;
  plan->barriers = walks ? vmamba::kBlockBarrier : vmamba::tile_barriers(made.warps_per_scan);
  plan->resident_blocks = made.resident_blocks;
  plan->starts_late = made.starts_late ? 1 : 0;
}

namespace {

struct EmulatedRoiAlignPlan {
  int64_t blocks;
  int32_t slice_channels, slices, threads, shared_bytes;
};

}  // namespace

extern "C" __attribute__((visibility("default"))) vmamba_status
vmamba_emulated_roi_align_plan(const vmamba_roi_align_desc *desc, EmulatedRoiAlignPlan *plan) {
  vmamba::RoiAlignPlan made;
  const vmamba_status status =
      vmamba::make_roi_align_plan(*desc, vmamba::emulation::device().limits, &made);
  if (status == VMAMBA_OK) {
    *plan = {made.grid.blocks, made.slice_channels, made.slices, made.grid.threads,
             made.grid.shared_bytes};
  }
  return status;
}
