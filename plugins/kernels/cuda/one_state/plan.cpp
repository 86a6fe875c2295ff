#include "cuda/one_state/shape.h"
#include "cuda/shared/plan_costs.h"

namespace vmamba {
namespace {

constexpr double kFoldCycles = 300;  // one earlier segment, when a start state is found
// Global memory per element: x and y once, and the projections, which many channels share; cut into
// segments, x four times and the map out and back; with the map in global memory, once a route.
constexpr double kWholeBytes = 6;
constexpr double kCutBytes = 20;
constexpr double kGlobalMapBytes = 36;
// With the map in global memory a tile waits for it, too: so much longer than with shared memory.
constexpr double kGlobalMapDelay = 1.5;
constexpr int64_t kFreeSegmentScans = 16384;  // segments that only fill the GPU: at most so many
constexpr int32_t kLongestSegment = 4;        // tiles; their map lets enough blocks be resident
constexpr int32_t kMostScansPerBlock = 4;
constexpr int32_t kMostGlobalWarps = 8;  // more never were the best with the map in global memory

Cost tile_cost(const vmamba_selective_scan_desc &desc) {
  const double products = (desc.rank + 15) / 16;
  return {870 + 12 * products, 2600 + 50 * products};
}

// What comes before the first tile of a route: the weights, the start.
Cost opening_cost(const vmamba_selective_scan_desc &desc) {
  const double products = (desc.rank + 15) / 16;
  return {300 + 100 * products, 2800 + 550 * products};
}

constexpr int64_t kSlotBytes = kGroupChannels * static_cast<int64_t>(sizeof(float));

// Of an image's map. A row that is even in length gets one slot more, so that runs of neighbouring
// rows lie in different banks.
int64_t image_slots(const vmamba_selective_scan_desc &desc) {
  return desc.height * (desc.width | 1);
}

SharedLayout shared_layout(const vmamba_selective_scan_desc &desc, int64_t slots,
                           int32_t warps_per_scan, int32_t scans) {
  const int32_t row_bytes = static_cast<int32_t>(kSlotBytes);
  SharedLayout layout{};
  layout.carry = slots == 0 ? 0 : (static_cast<int32_t>(slots) + kRuns) * row_bytes;
  layout.scan_bytes = layout.carry + 2 * row_bytes;  // forward, backward
  const int32_t term_bytes = kGroupChannels * weight_bytes(desc.in_dtype == VMAMBA_BFLOAT16);
  layout.bias = round_up(desc.rank, 16) * term_bytes;
  layout.warp_bytes = layout.bias + 2 * row_bytes;
  layout.first_warp = scans * layout.scan_bytes;
  layout.total = layout.first_warp + scans * warps_per_scan * layout.warp_bytes;
  return layout;
}

class Planner {
 public:
  Planner(const vmamba_selective_scan_desc &desc, const DeviceLimits &limits)
      : desc_(desc),
        limits_(limits),
        tiles_(pieces_of(desc)),
        scans_(static_cast<double>(desc.batch) * groups_of(desc)) {}

  LaunchPlan best() {
    for (const int32_t warps : {1, 2, 4, 6, 8, 12}) {
      if (way_members(warps) > tiles_) break;
      consider_image(warps, false);
      // The workspace has no map of one tile.
      if (tiles_ > 1 && warps >= 2 && warps <= kMostGlobalWarps) consider_image(warps, true);
    }
    for (int32_t length = 1; length < tiles_ && length <= kLongestSegment; length *= 2) {
      for (const int32_t warps : {1, 2}) consider_segments(length, warps);
    }
    return best_;
  }

 private:
  static double routes(int32_t warps) {
    return warps == 1 ? VMAMBA_MOST_ROUTES : VMAMBA_MOST_ROUTES / 2;
  }

  // The plans that differ from this one in the scans of a block alone, many first: they share the
  // features of their pixels in the L1 cache.
  // slots: of the map in shared memory, 0 where it is not there.
  template <typename Cycles>
  void consider_blocks(LaunchPlan plan, int64_t slots, const Cycles &cycles) {
    if (slots * kSlotBytes > limits_.shared_bytes_per_block) return;
    plan.spare_slot = static_cast<int32_t>(slots);
    const int32_t most =
        plan.warps_per_scan > 1 ? 1 : std::min(groups_of(desc_), kMostScansPerBlock);
    for (int32_t scans = most; scans >= 1; --scans) {
      plan.scans_per_block = scans;
      plan.shared = shared_layout(desc_, slots, plan.warps_per_scan, scans);
      if (plan.shared.total > limits_.shared_bytes_per_block) continue;
      const BlockNeeds block{plan.shared.total, plan.warps_per_scan * scans,
                             tile_barriers(plan.warps_per_scan)};
      plan.resident_blocks = resident_blocks(limits_, block, kResidentWarps);
      plan.estimated_cycles = cycles(plan);
      if (best_.scans_per_block == 0 || plan.estimated_cycles < best_.estimated_cycles)
        best_ = plan;
    }
  }

  // Of a launch in which each of `warps` warps opens `routes` and walks `tiles` of each.
  double cycles(const LaunchPlan &plan, double warps, double routes, double tiles) const {
    const int32_t block_warps = plan.warps_per_scan * plan.scans_per_block;
    return launch_cycles(limits_, warps / block_warps, plan.resident_blocks, [&](double together) {
      const double per_scheduler = together * block_warps / kSchedulers;
      return routes * (cycles_of(opening_cost(desc_), per_scheduler) +
                       tiles * cycles_of(tile_cost(desc_), per_scheduler));
    });
  }

  void consider_image(int32_t warps, bool global_map) {
    LaunchPlan plan{};
    plan.one_state = true;
    plan.global_map = global_map;
    plan.warps_per_scan = warps;
    plan.pieces = plan.pieces_per_segment = tiles_;
    plan.segments = 1;
    const double rounds = (tiles_ + way_members(warps) - 1) / way_members(warps);
    const double traffic = traffic_cycles(global_map ? kGlobalMapBytes : kWholeBytes);
    consider_blocks(plan, global_map ? 0 : image_slots(desc_), [&](const LaunchPlan &candidate) {
      const double walking = cycles(candidate, scans_ * warps, routes(warps), rounds);
      return std::max(walking * (global_map ? kGlobalMapDelay : 1.0), traffic);
    });
  }

  void consider_segments(int32_t length, int32_t warps) {
    LaunchPlan plan{};
    plan.one_state = true;
    plan.warps_per_scan = warps;
    plan.pieces = tiles_;
    plan.pieces_per_segment = length;
    plan.segments = (tiles_ + length - 1) / length;
    if (scans_ * plan.segments > static_cast<double>(most_one_state_segments(desc_))) return;
    consider_blocks(plan, length * kTilePixels, [&](const LaunchPlan &candidate) {
      const double all = scans_ * candidate.segments;
      const double merging = 2 * cycles(candidate, all * warps, routes(warps) / 2, length);
      const double ends = cycles(candidate, all * VMAMBA_MOST_ROUTES, 1, length);
      // The runs of a warp share the segments before its own.
      const double folds = routes(warps) * kFoldCycles * (candidate.segments - 1) / 2.0 / kRuns;
      return std::max(merging + ends + folds, traffic_cycles(kCutBytes)) +
             2 * further_launch_cycles(limits_);
    });
  }

  double traffic_cycles(double element_bytes) const {
    const double elements = scans_ * tiles_ * kTilePixels * kGroupChannels;
    return elements * element_bytes / (bytes_per_cycle(limits_) * limits_.multiprocessors);
  }

  const vmamba_selective_scan_desc &desc_;
  const DeviceLimits &limits_;
  const int32_t tiles_;
  const double scans_;
  LaunchPlan best_{};
};

}  // namespace

int64_t most_one_state_segments(const vmamba_selective_scan_desc &desc) {
  const int64_t tiles = pieces_of(desc);
  if (tiles < 2) return 0;
  const int64_t scans = desc.batch * groups_of(desc);
  const int64_t needed = scans * ((tiles + kLongestSegment - 1) / kLongestSegment);
  return std::min(scans * tiles, std::max(needed, kFreeSegmentScans));
}

LaunchPlan make_one_state_plan(const vmamba_selective_scan_desc &desc, const DeviceLimits &limits) {
  return Planner(desc, limits).best();
}

}  // namespace vmamba
