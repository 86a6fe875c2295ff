#include "cuda/shared/launch_plan.h"

#include <algorithm>
#include <iterator>

#include "cuda/many_states/shape.h"
#include "cuda/one_state/shape.h"

namespace vmamba {
namespace {

constexpr int32_t kRoutes[VMAMBA_MOST_ROUTES] = {0, 1, 2, 3};  // of SelectiveScan2D

int32_t parts_of(int64_t number, int32_t part) {
  return static_cast<int32_t>((number + part - 1) / part);
}

}  // namespace

bool runs_one_state(const vmamba_selective_scan_desc &desc) {
  const bool two_d = desc.routes == VMAMBA_MOST_ROUTES && desc.x_per_route == 0 &&
                     std::equal(std::begin(kRoutes), std::end(kRoutes), desc.direction);
  return two_d && desc.state == 1 && desc.dt_features == desc.rank;
}

int32_t pieces_of(const vmamba_selective_scan_desc &desc) {
  return parts_of(desc.height * desc.width, runs_one_state(desc) ? kTilePixels : kChunkPixels);
}

int32_t groups_of(const vmamba_selective_scan_desc &desc) {
  return parts_of(desc.channels, runs_one_state(desc) ? kGroupChannels : kWarpChannels);
}

int64_t most_segments(const vmamba_selective_scan_desc &desc) {
  return runs_one_state(desc) ? most_one_state_segments(desc) : most_many_states_segments(desc);
}

LaunchPlan make_plan(const vmamba_selective_scan_desc &desc, const DeviceLimits &limits) {
  LaunchPlan plan = runs_one_state(desc) ? make_one_state_plan(desc, limits)
                                         : make_many_states_plan(desc, limits);
  plan.begins_early = limits.compute_capability >= 90;
  if (!plan.begins_early || plan.segments <= 1) return plan;
  // Worth it where all blocks of a launch find room at once: they then work while the launch ahead
  // still runs. Where more take turns, the states of the segments before are best asked for first.
  const int64_t groups = parts_of(groups_of(desc), plan.scans_per_block);
  const int64_t room = int64_t{plan.resident_blocks} * limits.multiprocessors;
  plan.starts_late = desc.batch * plan.segments * groups <= room;
  return plan;
}

}  // namespace vmamba
