#include "cuda/shared/launch_plan.h"

#include "cuda/many_states/shape.h"
#include "cuda/one_state/shape.h"

namespace vmamba {
namespace {

int32_t parts_of(int64_t number, int32_t part) {
  return static_cast<int32_t>((number + part - 1) / part);
}

}  // namespace

int32_t pieces_of(int64_t length, int32_t state) {
  return parts_of(length, state == 1 ? kTilePixels : kChunkPixels);
}

int32_t groups_of(int64_t channels, int32_t state) {
  return parts_of(channels, state == 1 ? kGroupChannels : kWarpChannels);
}

int64_t most_segments(const vmamba_scan_desc &desc) {
  return desc.state == 1 ? most_one_state_segments(desc) : most_many_states_segments(desc);
}

LaunchPlan make_plan(const vmamba_scan_desc &desc, const DeviceLimits &limits) {
  LaunchPlan plan =
      desc.state == 1 ? make_one_state_plan(desc, limits) : make_many_states_plan(desc, limits);
  plan.begins_early = limits.compute_capability >= 90;
  if (!plan.begins_early || plan.segments <= 1) return plan;
  // Worth it where all blocks of a launch find room at once: they then work while the launch ahead
  // still runs. Where more take turns, the states of the segments before are best asked for first.
  const int64_t groups = parts_of(groups_of(desc.channels, desc.state), plan.scans_per_block);
  const int64_t room = int64_t{plan.resident_blocks} * limits.multiprocessors;
  plan.starts_late = desc.batch * plan.segments * groups <= room;
  return plan;
}

}  // namespace vmamba
