#include "cuda/many_states/shape.h"
#include "cuda/shared/plan_costs.h"
#include "cuda/shared/sorted_routes.h"

namespace vmamba {
namespace {

// Global memory, of a channel of a pixel: x or a step, y, a write and a read of the map.
constexpr double kInputBytes = 4;
constexpr double kOutputBytes = 4;
constexpr double kMapBytes = 8;
constexpr int64_t kMostSegmentScans = 2048;  // segments only fill the GPU: at most so many
// A route has no more than 64, or segments of seven chunks: the states of more would take more
// memory than the map.
constexpr int32_t kFewSegments = 64;
constexpr int32_t kLongSegment = 7;

int32_t most_of_route(int32_t chunks) { return std::max(kFewSegments, chunks / kLongSegment); }

Cost chunk_cost(const vmamba_selective_scan_desc &desc) {
  const double products = (desc.rank + 15) / 16;
  const double states = 2 * lane_states(desc.state);
  return {180 + 69 * states + 25 * products, 850 + 126 * states + 60 * products};
}

// What differs by channel: every x, and the steps where they do.
double input_bytes(const vmamba_selective_scan_desc &desc) {
  const bool own_steps = desc.dt_features != desc.rank;
  return kInputBytes * ((desc.x_per_route == 1 ? desc.routes : 1) + (own_steps ? desc.routes : 0));
}

// The inputs once and y once, and the map in between, which each route's walk but the first reads
// and each but the last writes; cut, the inputs are read once more.
double element_bytes(const vmamba_selective_scan_desc &desc, bool cut) {
  return (cut ? 2 : 1) * input_bytes(desc) + kOutputBytes + (desc.routes - 1) * kMapBytes;
}

// What comes before the first chunk of a walk: the weights, the decay rates, the start.
Cost opening_cost(const vmamba_selective_scan_desc &desc) {
  const double products = (desc.rank + 15) / 16;
  return {450 + 200 * products, 1200 + 650 * products};
}

// One segment, for one state in the launch that finds the starts, and for all in those that merge.
Cost starting_cost() { return {25, 55}; }
Cost passing_cost() { return {110, 400}; }

class Planner {
 public:
  Planner(const vmamba_selective_scan_desc &desc, const DeviceLimits &limits)
      : desc_(desc),
        limits_(limits),
        chunks_(pieces_of(desc)),
        routes_(sort_routes(desc)),
        warps_(routes_.paired ? kPairWarps : 1),
        walks_((desc.state + 2 * lane_states(desc.state) - 1) / (2 * lane_states(desc.state))),
        scans_(static_cast<double>(desc.batch) * groups_of(desc)) {}

  LaunchPlan best() {
    consider(chunks_);
    for (int32_t length = 1; length < chunks_; length += 1 + length / 8) {
      const int32_t segments = (chunks_ + length - 1) / length;
      if (segments > most_of_route(chunks_)) continue;
      if (scans_ * segments > static_cast<double>(kMostSegmentScans)) continue;
      consider((chunks_ + segments - 1) / segments);  // that none is much shorter
    }
    return best_;
  }

 private:
  // length: chunks of a segment.
  void consider(int32_t length) {
    LaunchPlan plan{};
    plan.global_map = true;
    plan.warps_per_scan = warps_;
    plan.pieces = chunks_;
    plan.pieces_per_segment = length;
    plan.segments = (chunks_ + length - 1) / length;
    const int32_t term_bytes = kWarpChannels * weight_bytes(desc_.in_dtype == VMAMBA_BFLOAT16);
    plan.shared.warp_bytes = kStagedWeights * static_cast<int32_t>(sizeof(float)) +
                             round_up(desc_.rank, 16) * term_bytes;
    plan.scans_per_block = 1;
    plan.shared.total = warps_ * plan.shared.warp_bytes;
    if (plan.shared.total > limits_.shared_bytes_per_block) return;
    const BlockNeeds block{plan.shared.total, warps_, kBlockBarrier};
    plan.resident_blocks = resident_blocks(limits_, block, kResidentChunkWarps);
    plan.estimated_cycles = estimate(plan);
    if (best_.scans_per_block == 0 || plan.estimated_cycles < best_.estimated_cycles) best_ = plan;
  }

  double estimate(const LaunchPlan &plan) const {
    const double all = scans_ * plan.segments;
    const double length = plan.pieces_per_segment;
    const double merging = routes_.passes * cycles(plan, all * warps_, length);
    const double traffic = traffic_cycles(element_bytes(desc_, plan.segments > 1));
    if (plan.segments == 1) return std::max(merging, traffic);
    const double ends = cycles(plan, all * desc_.routes, length);
    return std::max(ends + merging, traffic) + folding_cycles(plan) +
           routes_.passes * further_launch_cycles(limits_);
  }

  // Until all segments have their starts: in a launch of its own, or twice by each of them.
  double folding_cycles(const LaunchPlan &plan) const {
    const double per_scheduler = scans_ / limits_.multiprocessors / kSchedulers;
    if (plan.segments > kFoldedSegments) {
      const double warps = per_scheduler * desc_.routes * desc_.state;
      return plan.segments * cycles_of(starting_cost(), warps) + further_launch_cycles(limits_);
    }
    const double warps = per_scheduler * plan.segments * warps_;
    return walks_ * (plan.segments - 1) * cycles_of(passing_cost(), warps);
  }

  // Of a launch in which each of `warps` warps walks `chunks` of one route.
  double cycles(const LaunchPlan &plan, double warps, double chunks) const {
    return launch_cycles(limits_, warps / warps_, plan.resident_blocks, [&](double together) {
      const double per_scheduler = together * warps_ / kSchedulers;
      return walks_ * (cycles_of(opening_cost(desc_), per_scheduler) +
                       chunks * cycles_of(chunk_cost(desc_), per_scheduler));
    });
  }

  double traffic_cycles(double element_bytes) const {
    const double elements = scans_ * chunks_ * kChunkPixels * kWarpChannels;
    return elements * element_bytes / (bytes_per_cycle(limits_) * limits_.multiprocessors);
  }

  const vmamba_selective_scan_desc &desc_;
  const DeviceLimits &limits_;
  const int32_t chunks_;  // of a route
  const SortedRoutes routes_;
  const int32_t warps_;  // of a scan
  const int32_t walks_;  // of a route, each with some of the states
  const double scans_;
  LaunchPlan best_{};
};

}  // namespace

int64_t most_many_states_segments(const vmamba_selective_scan_desc &desc) {
  const int32_t chunks = pieces_of(desc);
  const int64_t scans = desc.batch * groups_of(desc);
  if (chunks < 2) return 0;
  return std::min(scans * std::min(chunks, most_of_route(chunks)), kMostSegmentScans);
}

LaunchPlan make_many_states_plan(const vmamba_selective_scan_desc &desc,
                                 const DeviceLimits &limits) {
  return Planner(desc, limits).best();
}

}  // namespace vmamba
