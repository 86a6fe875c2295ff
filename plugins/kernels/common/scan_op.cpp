#include "common/scan_op.h"

namespace vmamba {

bool ScanOp::read_sizes(const CallFacts<ScanOp> &call, Desc *desc, Problem *problem) noexcept {
  const Shape *const shapes = call.shapes;
  if (!check_ranks(kInputSpecs, kInputs, shapes, problem)) return false;
  const Shape &x = shapes[0];
  const int64_t rank = shapes[2].extents[1], state = shapes[4].extents[1], channels = x.extents[3];
  // What vmamba_scan_validate refuses must fit its fields.
  const bool narrow = rank == static_cast<int32_t>(rank) && state == static_cast<int32_t>(state);
  if (!narrow) return refuse(problem, "dt_weight or a has an extent of more than 31 bits");
  const bool known = rank != kUnknown && state != kUnknown;
  const int64_t features = known ? VMAMBA_ROUTES * (rank + 2 * state) : kUnknown;
  const Shape expected[kInputs] = {x,
                                   {4, {x.extents[0], x.extents[1], x.extents[2], features}},
                                   {3, {VMAMBA_ROUTES, rank, channels}},
                                   {2, {VMAMBA_ROUTES, channels}},
                                   {3, {VMAMBA_ROUTES, state, channels}},
                                   {2, {VMAMBA_ROUTES, channels}}};
  if (!check_shapes(kInputSpecs, kInputs, shapes, expected, problem)) return false;
  desc->batch = x.extents[0];
  desc->height = x.extents[1];
  desc->width = x.extents[2];
  desc->channels = channels;
  desc->state = static_cast<int32_t>(state);
  desc->rank = static_cast<int32_t>(rank);
  return true;
}

vmamba_scan_args ScanOp::make_args(const void *const (&inputs)[kInputs], void *y) noexcept {
  const auto parameter = [&inputs](int32_t i) { return static_cast<const float *>(inputs[i]); };
  return {inputs[0], inputs[1], parameter(2), parameter(3), parameter(4), parameter(5), y};
}

}  // namespace vmamba
