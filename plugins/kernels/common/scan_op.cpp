#include "common/scan_op.h"

#include <algorithm>

namespace vmamba {
namespace {

using Desc = AnyScanOp::Desc;
constexpr AttributeValue kAllRoutes = {{0, 1, 2, 3}, VMAMBA_MOST_ROUTES};

bool are_routes(const AttributeValue &list) noexcept {
  if (list.count < 1 || list.count > VMAMBA_MOST_ROUTES) return false;
  return std::all_of(list.values, list.values + list.count,
                     [](int64_t direction) { return 0 <= direction && direction <= 3; });
}

// Features of proj in its last axis; unknown where they cannot be said.
int64_t features_of(int64_t dt_features, int64_t state, int64_t routes) noexcept {
  int64_t features = 0;
  const bool overflows = __builtin_add_overflow(dt_features, 2 * state, &features) ||
                         __builtin_mul_overflow(features, routes, &features);
  return dt_features == kUnknown || state == kUnknown || overflows ? kUnknown : features;
}

// What the shapes must be, for sizes that are in x, dt_weight and a.
struct ExpectedShapes {
  Expected inputs[AnyScanOp::kInputs];

  ExpectedShapes(const Shape *shapes, int64_t routes, bool has_channel_steps) noexcept {
    Shape x = shapes[0];
    const int64_t rank = shapes[2].extents[1], state = shapes[4].extents[1];
    const int64_t channels = x.extents[x.rank - 1];
    const bool per_route = x.rank == 5;
    if (per_route) x.extents[0] = routes;
    Expected proj{x};
    int64_t &features = proj.shape.extents[x.rank - 1];
    const int64_t routes_of_pixel = per_route ? 1 : routes;
    features = features_of(rank, state, routes_of_pixel);
    const int64_t wide = features_of(channels, state, routes_of_pixel);
    if (has_channel_steps && rank == 1 && wide != features) {
      proj.other = x;
      proj.other.extents[x.rank - 1] = wide;
    }
    inputs[0] = {x};
    inputs[1] = proj;
    inputs[2] = {{3, {routes, rank, channels}}};
    inputs[3] = inputs[5] = {{2, {routes, channels}}};
    inputs[4] = {{3, {routes, state, channels}}};
  }

  // Whether proj has a step for each channel, of shapes that fit.
  bool are_channel_steps(const Shape &proj) const noexcept {
    return inputs[1].other.rank > 0 &&
           proj.extents[proj.rank - 1] != inputs[1].shape.extents[proj.rank - 1];
  }
};

bool read_scan(const InputSpec *specs, const Shape *shapes, const AttributeValue &routes,
               bool has_channel_steps, Desc *desc, Problem *problem) noexcept {
  if (!check_ranks(specs, AnyScanOp::kInputs, shapes, problem)) return false;
  const int64_t rank = shapes[2].extents[1], state = shapes[4].extents[1];
  // What vmamba_selective_scan_validate refuses must fit its fields.
  const bool narrow = rank == static_cast<int32_t>(rank) && state == static_cast<int32_t>(state);
  if (!narrow) return refuse(problem, "dt_weight or a has an extent of more than 31 bits");
  const ExpectedShapes expected(shapes, routes.count, has_channel_steps);
  if (!check_shapes(specs, AnyScanOp::kInputs, shapes, expected.inputs, problem)) return false;
  const Shape &x = shapes[0];
  const int64_t *const pixels = x.extents + (x.rank - 4);
  desc->batch = pixels[0];
  desc->height = pixels[1];
  desc->width = pixels[2];
  desc->channels = pixels[3];
  desc->dt_features = expected.are_channel_steps(shapes[1]) ? desc->channels : rank;
  desc->state = static_cast<int32_t>(state);
  desc->rank = static_cast<int32_t>(rank);
  desc->routes = static_cast<int32_t>(routes.count);
  std::transform(routes.values, routes.values + VMAMBA_MOST_ROUTES, desc->direction,
                 [](int64_t direction) { return static_cast<int32_t>(direction); });
  desc->x_per_route = x.rank == 5;
  return true;
}

}  // namespace

AnyScanOp::Args AnyScanOp::make_args(const void *const (&inputs)[kInputs], void *y) noexcept {
  const auto parameter = [&inputs](int32_t i) { return static_cast<const float *>(inputs[i]); };
  return {inputs[0], inputs[1], parameter(2), parameter(3), parameter(4), parameter(5), y};
}

bool SelectiveScanOp::check_attributes(const AttributeValue (&attributes)[kAttributes],
                                       Problem *problem) noexcept {
  if (are_routes(attributes[0])) return check_out_dtype(attributes[1].integer(), problem);
  return refuse_list(problem, "routes", attributes[0], "1 to 4 numbers from 0 to 3");
}

bool SelectiveScanOp::read_sizes(const CallFacts<SelectiveScanOp> &call, Desc *desc,
                                 Problem *problem) noexcept {
  return read_scan(kInputSpecs, call.shapes, call.attributes[0], true, desc, problem);
}

bool ScanOp::read_sizes(const CallFacts<ScanOp> &call, Desc *desc, Problem *problem) noexcept {
  return read_scan(kInputSpecs, call.shapes, kAllRoutes, false, desc, problem);
}

}  // namespace vmamba
