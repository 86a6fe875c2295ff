// The plan of the CUDA kernels, as numbers that Python reads.
#include "cuda/shared/launch_plan.h"

#include <cstdint>

#include "cuda/many_states/shape.h"

extern "C" {

struct BridgedPlan {
  int32_t global_map, warps_per_scan, scans_per_block;
  int32_t pieces, pieces_per_segment, segments;
  int32_t shared_bytes, resident_blocks;
  int32_t walk_states, finds_starts;
  double estimated_cycles;
};

__attribute__((visibility("default"))) void bridged_plan(const vmamba_selective_scan_desc *desc,
                                                         const vmamba::DeviceLimits *limits,
                                                         BridgedPlan *bridged) {
  const vmamba::LaunchPlan plan = vmamba::make_plan(*desc, *limits);
  bridged->global_map = plan.global_map ? 1 : 0;
  bridged->warps_per_scan = plan.warps_per_scan;
  bridged->scans_per_block = plan.scans_per_block;
  bridged->pieces = plan.pieces;
  bridged->pieces_per_segment = plan.pieces_per_segment;
  bridged->segments = plan.segments;
  bridged->shared_bytes = plan.shared.total;
  bridged->resident_blocks = plan.resident_blocks;
  const bool walks = !plan.one_state;
  bridged->walk_states = walks ? vmamba::kWalkedChannels * vmamba::lane_states(desc->state) : 1;
  bridged->finds_starts = walks && plan.segments > vmamba::kFoldedSegments ? 1 : 0;
  bridged->estimated_cycles = plan.estimated_cycles;
}
}
