#include "cuda/launch_plan.h"

#include <algorithm>

#include "cuda/tile_shape.h"

namespace vmamba {
namespace {

// Below, "cycles" are those of one multiprocessor. They come from the instructions of the compiled
// kernels (docs/kernel_notes.md) and only order the candidates.
constexpr double kLaunchCycles = 2500;  // a further launch in the stream
constexpr double kFoldCycles = 100;     // one earlier segment, when a start state is found
constexpr double kSchedulers = 4;       // of a multiprocessor: each issues for one warp
constexpr double kBytesPerCycle = 13;   // of global memory, for one multiprocessor
// Global memory per element: x and y once, and the projections, which many channels share; cut into
// segments, x four times and the map out and back; with the map in global memory, once a route.
constexpr double kWholeBytes = 6;
constexpr double kCutBytes = 20;
constexpr double kGlobalMapBytes = 36;
constexpr int64_t kFreeSegmentScans = 16384;  // segments that only fill the GPU: at most so many
constexpr int32_t kLongestSegment = 4;        // tiles; their map lets enough blocks be resident
constexpr int32_t kDefaultScansPerBlock = 4;
constexpr int32_t kMaxStateWarps = 4;

struct TileCost {
  double issue;    // instructions of one warp
  double latency;  // cycles of a warp that has its scheduler to itself
};

TileCost tile_cost(const vmamba_scan_desc &desc, int32_t warps) {
  const double projection = 12.0 * ((desc.rank + 15) / 16);
  if (desc.state == 1) return {720 + projection, 1900 + projection};
  const double states = (desc.state + warps - 1) / warps;
  const double merging = 250.0 * warps;  // one warp after the other
  return {500 + projection + 340 * states, 1600 + projection + 600 * states + merging};
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
  layout.scan_bytes = layout.carry + desc.state * row_bytes;
  // Both forms of the weights, halves in two parts and floats, take 64 bytes a term.
  layout.bias = round_up(desc.rank, 16) * row_bytes;
  layout.staging = layout.bias + 2 * row_bytes;
  const int32_t states = std::min(desc.state, kStateBatch);
  const int32_t staged = 2 * (states + 1) * kTilePixels * static_cast<int32_t>(sizeof(float));
  layout.warp_bytes = layout.staging + (desc.state == 1 ? 0 : staged);
  layout.first_warp = scans * layout.scan_bytes;
  layout.total = layout.first_warp + scans * warps_per_scan * layout.warp_bytes;
  return layout;
}

// Cycles of a launch in which `warps` warps walk `tiles` tiles each. Few warps a scheduler leave it
// waiting; many share it.
double walk_cycles(const TileCost &cost, double warps, double tiles, const DeviceLimits &limits) {
  const double per_scheduler = warps / (limits.multiprocessors * kSchedulers);
  return tiles * std::max(cost.latency, per_scheduler * cost.issue);
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

  // Fewer scans in a block where their shared memory would not fit.
  // slots: of the map in shared memory, 0 where it is not there.
  bool fit(int64_t slots, int32_t warps, LaunchPlan *plan) const {
    if (slots * kSlotBytes > limits_.shared_bytes_per_block) return false;
    plan->spare_slot = static_cast<int32_t>(slots);
    const int32_t groups = groups_of(desc_.channels);
    int32_t scans = warps > 1 ? 1 : std::min(groups, kDefaultScansPerBlock);
    for (; scans >= 1; --scans) {
      const SharedLayout layout = shared_layout(desc_, slots, warps, scans);
      if (layout.total > limits_.shared_bytes_per_block) continue;
      plan->warps_per_scan = warps;
      plan->scans_per_block = scans;
      plan->shared = layout;
      return true;
    }
    return false;
  }

  // Waves of a launch, and the warps of one.
  double launch_cycles(const LaunchPlan &plan, double warps, double tiles) const {
    const int32_t block_warps = plan.warps_per_scan * plan.scans_per_block;
    const int32_t resident = std::max(1, resident_warps(plan.shared.total, block_warps));
    const double slots = static_cast<double>(resident) * limits_.multiprocessors;
    const double waves = std::max(1.0, warps / slots);
    const TileCost cost = tile_cost(desc_, plan.warps_per_scan);
    return waves * walk_cycles(cost, std::min(warps, slots), tiles, limits_);
  }

  void consider_image(int32_t warps, bool global_map) {
    LaunchPlan plan{};
    plan.global_map = global_map;
    if (!fit(global_map ? 0 : image_slots(desc_), warps, &plan)) return;
    plan.tiles = plan.tiles_per_segment = tiles_;
    plan.segments = 1;
    const int32_t sharing = desc_.state == 1 ? warps : 1;
    const double rounds = VMAMBA_ROUTES * static_cast<double>((tiles_ + sharing - 1) / sharing);
    const double traffic = traffic_cycles(global_map ? kGlobalMapBytes : kWholeBytes);
    keep(plan, std::max(launch_cycles(plan, scans_ * warps, rounds), traffic));
  }

  void consider_segments(int32_t length, int32_t warps) {
    LaunchPlan plan{};
    plan.tiles = tiles_;
    plan.tiles_per_segment = length;
    plan.segments = (tiles_ + length - 1) / length;
    if (scans_ * plan.segments > static_cast<double>(most_segments(desc_))) return;
    if (!fit(length * kTilePixels, warps, &plan)) return;
    const double all_warps = scans_ * plan.segments * warps;
    const double merging = 2 * launch_cycles(plan, all_warps, 2.0 * length);
    const double ends = launch_cycles(plan, VMAMBA_ROUTES * all_warps, length);
    const double folds = 2 * kFoldCycles * plan.segments;
    keep(plan, std::max(merging + ends + folds, traffic_cycles(kCutBytes)) + 2 * kLaunchCycles);
  }

  double traffic_cycles(double element_bytes) const {
    const double elements = scans_ * tiles_ * kTilePixels * kGroupChannels;
    return elements * element_bytes / (kBytesPerCycle * limits_.multiprocessors);
  }

  void keep(LaunchPlan plan, double cycles) {
    plan.estimated_cycles = cycles;
    if (!found_ || cycles < best_.estimated_cycles) best_ = plan;
    found_ = true;
  }

  const vmamba_scan_desc &desc_;
  const DeviceLimits &limits_;
  const int32_t tiles_;
  const double scans_;
  LaunchPlan best_{};
  bool found_ = false;
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
