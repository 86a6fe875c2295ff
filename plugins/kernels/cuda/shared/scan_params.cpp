#include "cuda/shared/scan_params.h"

#include <algorithm>
#include <initializer_list>

#include "common/validate.h"
#include "cuda/many_states/shape.h"
#include "cuda/one_state/shape.h"

namespace vmamba {
namespace {

// Positions, slots (at most twice the pixels) and channel numbers are 32-bit.
constexpr int64_t kMaxLength = INT32_MAX / 4;
constexpr int64_t kMaxChannels = INT32_MAX / 4;
constexpr int64_t kMaxFeatures = INT32_MAX / 4;  // of a pixel's row in proj
// And so are the items of a launch, and more: pieces or states of all groups, routes and images. A
// batch of more has some 10^11 elements.
constexpr int64_t kMostItems = INT32_MAX;
constexpr int64_t kSectionAlignment = 256;

// Bytes of a section of floats, rounded up; -1 on overflow.
int64_t section_bytes(int64_t rows, int64_t floats) {
  int64_t bytes = 0;
  if (__builtin_mul_overflow(rows, floats, &bytes) ||
      __builtin_mul_overflow(bytes, static_cast<int64_t>(sizeof(float)), &bytes) ||
      __builtin_add_overflow(bytes, kSectionAlignment - 1, &bytes)) {
    return -1;
  }
  return bytes / kSectionAlignment * kSectionAlignment;
}

void set_divisor(LineOrder *order) {
  int32_t bits = 0;  // 2^bits >= line
  while ((int64_t{1} << bits) < order->line) ++bits;
  order->shift = 31 + bits;
  order->magic = static_cast<uint32_t>((uint64_t{1} << order->shift) / order->line + 1);
}

LineOrder line_order(int32_t direction, int32_t height, int32_t width, int32_t slot_pitch) {
  const bool rows = direction % 2 == 0;
  LineOrder order{};
  order.line = rows ? width : height;
  order.holds_runs = order.line % kRunPixels == 0;
  order.pixel_inner = rows ? 1 : width;
  order.pixel_outer = rows ? width : 1;
  order.slot_inner = rows ? 1 : slot_pitch;
  order.slot_outer = rows ? slot_pitch : 1;
  const bool backward = direction >= 2;
  order.turn = backward ? -1 : 1;
  order.edge = backward ? 0 : order.line - 1;
  order.pixel_step = order.turn * order.pixel_inner;
  order.slot_step = order.turn * order.slot_inner;
  order.place_wrap = -order.turn * order.line;
  order.pixel_wrap = order.turn * (order.pixel_outer - order.line * order.pixel_inner);
  order.slot_wrap = order.turn * (order.slot_outer - order.line * order.slot_inner);
  set_divisor(&order);
  return order;
}

bool has_channel_steps(const vmamba_selective_scan_desc &desc) {
  return desc.dt_features != desc.rank;
}

// Of a route and pixel.
int64_t route_features(const vmamba_selective_scan_desc &desc) {
  return desc.dt_features + 2 * static_cast<int64_t>(desc.state);
}

// Of a pixel's row in proj: of all routes, or of its own.
int64_t row_features(const vmamba_selective_scan_desc &desc) {
  return (desc.x_per_route == 1 ? 1 : desc.routes) * route_features(desc);
}

// Whether one walk alone comes over each pixel, and nothing is added up in a map.
bool is_walked_once(const vmamba_selective_scan_desc &desc) {
  return desc.routes == 1 && desc.state <= kWalkedChannels * lane_states(desc.state);
}

int32_t element_bytes(int32_t dtype) { return dtype == VMAMBA_FLOAT32 ? 4 : 2; }

bool starts_at(const void *pointer, int32_t bytes) {
  return reinterpret_cast<uintptr_t>(pointer) % static_cast<uintptr_t>(bytes) == 0;
}

}  // namespace

vmamba_status layout_workspace(const vmamba_selective_scan_desc &desc, Workspace *workspace) {
  int64_t length = 0;
  if (__builtin_mul_overflow(desc.height, desc.width, &length) || length > kMaxLength) {
    return fail(VMAMBA_UNSUPPORTED, "height * width is over %lld",
                static_cast<long long>(kMaxLength));
  }
  if (desc.channels > kMaxChannels) {
    return fail(VMAMBA_UNSUPPORTED, "channels is over %lld", static_cast<long long>(kMaxChannels));
  }
  if (row_features(desc) > kMaxFeatures) {
    return fail(VMAMBA_UNSUPPORTED, "a pixel's features in proj are over %lld",
                static_cast<long long>(kMaxFeatures));
  }
  int64_t items = 0;
  const int64_t of_image =
      int64_t{groups_of(desc)} * std::max(pieces_of(desc), desc.state) * desc.routes;
  if (__builtin_mul_overflow(desc.batch, of_image, &items) || items > kMostItems) {
    return fail(VMAMBA_UNSUPPORTED, "batch %lld is too large for maps of %lld x %lld x %lld",
                static_cast<long long>(desc.batch), static_cast<long long>(desc.height),
                static_cast<long long>(desc.width), static_cast<long long>(desc.channels));
  }
  const int64_t segments = desc.routes * most_segments(desc);
  // In one_state one tile is one segment, whose map never leaves shared memory.
  const bool one_state = runs_one_state(desc);
  const bool small = one_state ? pieces_of(desc) == 1 : is_walked_once(desc);
  const bool needs_map = desc.out_dtype != VMAMBA_FLOAT32 && !small;
  const int64_t group = one_state ? kGroupChannels : kWarpChannels;
  const int64_t sections[] = {
      section_bytes(segments, group),
      section_bytes(segments, desc.state * group),
      section_bytes(needs_map ? desc.batch : 0, length * desc.channels),
  };
  size_t *const offsets[] = {&workspace->segment_sums, &workspace->segment_ends, &workspace->map};
  int64_t total = 0;
  for (int i = 0; i < 3; ++i) {
    *offsets[i] = static_cast<size_t>(total);
    if (sections[i] < 0 || __builtin_add_overflow(total, sections[i], &total)) {
      return fail(VMAMBA_UNSUPPORTED, "the workspace is over 63 bits");
    }
  }
  workspace->bytes = static_cast<size_t>(total);
  return VMAMBA_OK;
}

bool is_aligned(const vmamba_selective_scan_desc &desc, const vmamba_selective_scan_args &args) {
  const int32_t in = element_bytes(desc.in_dtype), out = element_bytes(desc.out_dtype);
  if (desc.dt_features % 2 != 0 || !starts_at(args.proj, 2 * in)) return false;
  if (has_channel_steps(desc) && desc.in_dtype != VMAMBA_FLOAT32) return false;
  if (!runs_one_state(desc)) return desc.state % 2 == 0;
  if (desc.channels % kLaneChannels != 0) return false;
  if (!starts_at(args.x, 4 * in) || !starts_at(args.y, 4 * out)) return false;
  for (const float *parameter : {args.dt_weight, args.dt_bias, args.a, args.d}) {
    if (!starts_at(parameter, 16)) return false;
  }
  return true;
}

ScanParams make_params(const vmamba_selective_scan_desc &desc,
                       const vmamba_selective_scan_args &args, const LaunchPlan &plan,
                       const Workspace &layout, void *workspace) {
  char *const base = static_cast<char *>(workspace);
  // A call that needs no workspace may pass NULL, to which no offset may be added.
  const auto section = [base](size_t offset) {
    return base == nullptr ? nullptr : reinterpret_cast<float *>(base + offset);
  };
  ScanParams params{};
  params.args = args;
  params.segment_sums = section(layout.segment_sums);
  params.segment_ends = section(layout.segment_ends);
  params.rounds_output = desc.out_dtype != VMAMBA_FLOAT32;
  params.map = params.rounds_output ? section(layout.map) : static_cast<float *>(args.y);
  params.batch = static_cast<uint32_t>(desc.batch);
  params.length = static_cast<int32_t>(desc.height * desc.width);
  params.channels = static_cast<int32_t>(desc.channels);
  params.state = desc.state;
  params.rank = desc.rank;
  params.groups = groups_of(desc);
  params.routes = desc.routes;
  params.dt_features = static_cast<int32_t>(desc.dt_features);
  params.channel_steps = has_channel_steps(desc);
  params.features = static_cast<int32_t>(row_features(desc));
  const int64_t pixels = desc.x_per_route == 1 ? desc.batch * desc.height * desc.width : 0;
  params.x_pitch = pixels * desc.channels;
  params.features_pitch = pixels == 0 ? route_features(desc) : pixels * route_features(desc);
  params.sorted = sort_routes(desc);
  params.scans = params.batch * static_cast<uint32_t>(params.groups);
  const int32_t height = static_cast<int32_t>(desc.height);
  const int32_t width = static_cast<int32_t>(desc.width);
  const int32_t slot_pitch = width | 1;
  for (int32_t place = 0; place < desc.routes; ++place) {
    const int32_t direction = desc.direction[params.sorted.routes[place]];
    params.orders[place] = line_order(direction, height, width, slot_pitch);
  }
  params.plan = plan;
  const uint32_t channels = static_cast<uint32_t>(desc.channels);
  const uint32_t in_bytes = static_cast<uint32_t>(element_bytes(desc.in_dtype));
  params.x_row_bytes = channels * in_bytes;
  params.proj_row_bytes = static_cast<uint32_t>(params.features) * in_bytes;
  params.state_row_bytes = params.proj_row_bytes;
  params.y_row_bytes = channels * static_cast<uint32_t>(element_bytes(desc.out_dtype));
  params.map_row_bytes = channels * static_cast<uint32_t>(sizeof(float));
  return params;
}

}  // namespace vmamba
