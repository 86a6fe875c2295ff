#include "cuda/launch_plan.h"

#include <algorithm>
#include <cmath>

#include "cuda/tile_shape.h"

namespace vmamba {
namespace {

// Below, "cycles" are those of one multiprocessor. They come from the instructions of the compiled
// kernels (docs/kernel_notes.md) and only order the candidates.
constexpr double kLaunchCycles = 3500;  // a further launch in the stream
constexpr double kFoldCycles = 200;     // one earlier segment, when a start state is found
constexpr double kSchedulers = 4;       // of a multiprocessor: each issues for one warp
// Global memory per element: x and y once, and the projections, which many channels share; cut into
// segments, x four times and the map out and back; with the map in global memory, once a route.
constexpr double kWholeBytes = 6;
constexpr double kCutBytes = 20;
constexpr double kGlobalMapBytes = 36;
constexpr int64_t kFreeSegmentScans = 16384;  // segments that only fill the GPU: at most so many
constexpr int32_t kLongestSegment = 4;        // tiles; their map lets enough blocks be resident
constexpr int32_t kMostScansPerBlock = 4;
constexpr int32_t kMaxStateWarps = 4;

// Of global memory, for one multiprocessor: HBM, or the GDDR of workstations and desktops.
double bytes_per_cycle(const DeviceLimits &limits) {
  switch (limits.compute_capability) {
    case 75:
    case 86:
    case 89:
    case 120:
      return 4;
    default:
      return 13;
  }
}

// Of one piece of work of a warp.
struct Cost {
  double issue;    // instructions
  double latency;  // cycles, where the warp has its scheduler to itself
};

Cost tile_cost(const vmamba_scan_desc &desc, int32_t warps) {
  const double products = (desc.rank + 15) / 16;
  if (desc.state == 1) return {870 + 12 * products, 2300 + 50 * products};
  const int32_t states = (desc.state + warps - 1) / warps;
  const double batches = (states + kStateBatch - 1) / kStateBatch;
  const double merging = warps > 1 ? 550.0 * warps : 0.0;  // one warp after the other
  return {850 + 12 * products + 110 * batches + 250.0 * states,
          2500 + 50 * products + 570 * batches + 1020.0 * states + merging};
}

// What comes before the first tile of a route: the weights, the start.
Cost opening_cost(const vmamba_scan_desc &desc) {
  const double products = (desc.rank + 15) / 16;
  return {300 + 100 * products, 1500 + 500 * products};
}

int32_t round_up(int32_t value, int32_t step) { return (value + step - 1) / step * step; }

constexpr int64_t kSlotBytes = kGroupChannels * static_cast<int64_t>(sizeof(float));

// Of an image's map. A row that is even in length gets one slot more, so that runs of neighbouring
// rows lie in different banks.
int64_t image_slots(const vmamba_scan_desc &desc) { return desc.height * (desc.width | 1); }

SharedLayout shared_layout(const vmamba_scan_desc &desc, int64_t slots, int32_t warps_per_scan,
                           int32_t scans) {
  const int32_t row_bytes = static_cast<int32_t>(kSlotBytes);
  SharedLayout layout{};
  layout.carry = slots == 0 ? 0 : (static_cast<int32_t>(slots) + kRuns) * row_bytes;
  layout.decay = layout.carry + desc.state * row_bytes;
  layout.scan_bytes = layout.decay + (desc.state == 1 ? 0 : desc.state * row_bytes);
  // Both forms of the weights, halves in two parts and floats, take 64 bytes a term.
  layout.bias = round_up(desc.rank, 16) * row_bytes;
  layout.staging = layout.bias + 2 * row_bytes;
  const int32_t staged = kTilePixels * kStatePitch * static_cast<int32_t>(sizeof(float));
  layout.warp_bytes = layout.staging + (desc.state == 1 ? 0 : staged);
  layout.first_warp = scans * layout.scan_bytes;
  layout.total = layout.first_warp + scans * warps_per_scan * layout.warp_bytes;
  return layout;
}

// Cycles for a warp of `per_scheduler` that share a scheduler. What one waits, others only partly
// fill.
double cycles_of(const Cost &cost, double per_scheduler) {
  const double issue = std::max(1.0, per_scheduler) * cost.issue;
  return std::max(cost.latency, issue) + std::min(cost.latency, issue) / 4;
}

class Planner {
 public:
  Planner(const vmamba_scan_desc &desc, const DeviceLimits &limits)
      : desc_(desc),
        limits_(limits),
        tiles_(tiles_of(desc.height * desc.width)),
        scans_(static_cast<double>(desc.batch) * groups_of(desc.channels)) {}

  LaunchPlan best() {
    for (const int32_t warps : {1, 2, 4, 8, 12}) {
      if (warps > (desc_.state == 1 ? tiles_ : std::min(desc_.state, kMaxStateWarps))) break;
      consider_image(warps, false);
      if (tiles_ > 1) consider_image(warps, true);  // the workspace has no map of one tile
    }
    for (int32_t length = 1; length < tiles_ && length <= kLongestSegment; length *= 2) {
      consider_segments(length, 1);
      for (int32_t warps = 2; warps <= std::min(desc_.state, kMaxStateWarps); warps *= 2) {
        consider_segments(length, warps);
      }
    }
    return best_;
  }

 private:
  int32_t resident_warps(int32_t shared_bytes, int32_t block_warps) const {
    const int32_t reserved = 1024;  // of every block, by the driver
    const int32_t by_memory = limits_.shared_bytes_per_multiprocessor / (shared_bytes + reserved);
    return std::min(by_memory * block_warps, kResidentWarps / block_warps * block_warps);
  }

  // The plans that differ from this one in the scans of a block alone, many first: they share the
  // features of their pixels in the L1 cache.
  // slots: of the map in shared memory, 0 where it is not there.
  template <typename Cycles>
  void consider_blocks(LaunchPlan plan, int64_t slots, const Cycles &cycles) {
    if (slots * kSlotBytes > limits_.shared_bytes_per_block) return;
    plan.spare_slot = static_cast<int32_t>(slots);
    const int32_t most =
        plan.warps_per_scan > 1 ? 1 : std::min(groups_of(desc_.channels), kMostScansPerBlock);
    for (int32_t scans = most; scans >= 1; --scans) {
      plan.scans_per_block = scans;
      plan.shared = shared_layout(desc_, slots, plan.warps_per_scan, scans);
      if (plan.shared.total > limits_.shared_bytes_per_block) continue;
      plan.estimated_cycles = cycles(plan);
      if (best_.scans_per_block == 0 || plan.estimated_cycles < best_.estimated_cycles)
        best_ = plan;
    }
  }

  // Of a launch in which each of `warps` warps opens `routes` and walks `tiles` of each, as long as
  // the multiprocessor with most blocks takes: rounds of all that fit there, and one of the rest.
  double launch_cycles(const LaunchPlan &plan, double warps, double routes, double tiles) const {
    const int32_t block_warps = plan.warps_per_scan * plan.scans_per_block;
    const double blocks = std::ceil(warps / block_warps / limits_.multiprocessors);
    const double resident =
        std::max(1, resident_warps(plan.shared.total, block_warps) / block_warps);
    const double full_rounds = std::floor(blocks / resident);
    const auto round_cycles = [&](double together) {
      const double per_scheduler = together * block_warps / kSchedulers;
      return routes * (cycles_of(opening_cost(desc_), per_scheduler) +
                       tiles * cycles_of(tile_cost(desc_, plan.warps_per_scan), per_scheduler));
    };
    const double rest = blocks - full_rounds * resident;
    return full_rounds * round_cycles(resident) + (rest > 0 ? round_cycles(rest) : 0);
  }

  void consider_image(int32_t warps, bool global_map) {
    LaunchPlan plan{};
    plan.global_map = global_map;
    plan.warps_per_scan = warps;
    plan.tiles = plan.tiles_per_segment = tiles_;
    plan.segments = 1;
    const int32_t sharing = desc_.state == 1 ? warps : 1;
    const double rounds = (tiles_ + sharing - 1) / sharing;
    const double traffic = traffic_cycles(global_map ? kGlobalMapBytes : kWholeBytes);
    consider_blocks(plan, global_map ? 0 : image_slots(desc_), [&](const LaunchPlan &candidate) {
      return std::max(launch_cycles(candidate, scans_ * warps, VMAMBA_ROUTES, rounds), traffic);
    });
  }

  void consider_segments(int32_t length, int32_t warps) {
    LaunchPlan plan{};
    plan.warps_per_scan = warps;
    plan.tiles = tiles_;
    plan.tiles_per_segment = length;
    plan.segments = (tiles_ + length - 1) / length;
    if (scans_ * plan.segments > static_cast<double>(most_segments(desc_))) return;
    consider_blocks(plan, length * kTilePixels, [&](const LaunchPlan &candidate) {
      const double all_warps = scans_ * candidate.segments * warps;
      const double merging = 2 * launch_cycles(candidate, all_warps, 2, length);
      const double ends = launch_cycles(candidate, VMAMBA_ROUTES * all_warps, 1, length);
      const double folds = 4 * fold_cycles(candidate);
      return std::max(merging + ends + folds, traffic_cycles(kCutBytes)) + 2 * kLaunchCycles;
    });
  }

  // Until a warp has the state in which its segment starts: one state's runs share the segments
  // before it, of many states each run takes its own.
  double fold_cycles(const LaunchPlan &plan) const {
    const double earlier = (plan.segments - 1) / 2.0;
    if (desc_.state == 1) return kFoldCycles * earlier / kRuns;
    const int32_t states = (desc_.state + plan.warps_per_scan - 1) / plan.warps_per_scan;
    return kFoldCycles * earlier * ((states + kRuns - 1) / kRuns);
  }

  double traffic_cycles(double element_bytes) const {
    const double elements = scans_ * tiles_ * kTilePixels * kGroupChannels;
    return elements * element_bytes / (bytes_per_cycle(limits_) * limits_.multiprocessors);
  }

  const vmamba_scan_desc &desc_;
  const DeviceLimits &limits_;
  const int32_t tiles_;
  const double scans_;
  LaunchPlan best_{};
};

}  // namespace

int32_t tiles_of(int64_t length) {
  return static_cast<int32_t>((length + kTilePixels - 1) / kTilePixels);
}

int32_t groups_of(int64_t channels) {
  return static_cast<int32_t>((channels + kGroupChannels - 1) / kGroupChannels);
}

int64_t most_segments(const vmamba_scan_desc &desc) {
  const int64_t tiles = tiles_of(desc.height * desc.width);
  if (tiles < 2) return 0;
  const int64_t scans = desc.batch * groups_of(desc.channels);
  const int64_t needed = scans * ((tiles + kLongestSegment - 1) / kLongestSegment);
  return std::min(scans * tiles, std::max(needed, kFreeSegmentScans));
}

LaunchPlan make_plan(const vmamba_scan_desc &desc, const DeviceLimits &limits) {
  return Planner(desc, limits).best();
}

}  // namespace vmamba
