// vmamba_selective_scan_cuda, and vmamba_scan_cuda as its case of four routes: checks, a plan, and
// its launches in the caller's stream.
#include <type_traits>

#include "common/four_routes.h"
#include "common/validate.h"
#include "cuda/many_states/kernels.cuh"
#include "cuda/one_state/kernels.cuh"

namespace vmamba {
namespace {

// Of one family, compiled for one kind of call.
struct Kernels {
  void (*ends)(ScanParams);
  const char *ends_name;
  void (*merge)(ScanParams);
};

// f(element, aligned) for a call: a value of its inputs' type, and a constant.
template <typename F>
Kernels dispatch(const vmamba_selective_scan_desc &desc, const vmamba_selective_scan_args &args,
                 const F &f) {
  const auto of_element = [&](auto element) {
    return is_aligned(desc, args) ? f(element, std::true_type{}) : f(element, std::false_type{});
  };
  switch (desc.in_dtype) {
    case VMAMBA_FLOAT32:
      return of_element(float{});
    case VMAMBA_FLOAT16:
      return of_element(__half{});
    default:
      return of_element(__nv_bfloat16{});
  }
}

template <typename T, bool kAligned, int kMembers>
constexpr Kernels one_state() {
  return {segment_ends<T, kAligned>, "segment_ends", merge_routes<T, kAligned, kMembers>};
}

template <typename T, bool kAligned, int kLaneStates>
constexpr Kernels many_states() {
  return {channel_ends<T, kLaneStates, kAligned>, "channel_ends",
          merge_channels<T, kLaneStates, kAligned>};
}

template <typename T, bool kAligned>
Kernels kernels_for(const LaunchPlan &plan, int32_t state) {
  if (!plan.one_state) {
    return lane_states(state) == kMostLaneStates ? many_states<T, kAligned, kMostLaneStates>()
                                                 : many_states<T, kAligned, kMostLaneStates / 2>();
  }
  switch (compiled_members(way_members(plan.warps_per_scan))) {
    case 1:
      return one_state<T, kAligned, 1>();
    case kFewMembers:
      return one_state<T, kAligned, kFewMembers>();
    default:
      return one_state<T, kAligned, kMostMembers>();
  }
}

Grid grid_of(const LaunchPlan &plan, int64_t blocks) {
  return {blocks < INT32_MAX ? blocks : INT32_MAX,
          plan.scans_per_block * plan.warps_per_scan * kWarpLanes, plan.shared.total,
          plan.begins_early};
}

int64_t blocks_for(int64_t items, int32_t items_of_block) {
  return (items + items_of_block - 1) / items_of_block;
}

// Routes in one piece are walked in one launch. Cut ones need their segments' ends, their starts,
// then a launch for every pass.
vmamba_status launch_all(const Kernels &kernels, ScanParams params, void *stream) {
  const LaunchPlan &plan = params.plan;
  const int64_t items =
      int64_t{params.batch} * plan.segments * blocks_for(params.groups, plan.scans_per_block);
  const Grid grid = grid_of(plan, items);
  params.last_pass = params.sorted.passes - 1;
  if (plan.segments == 1) {
    return launch(kernels.merge, "the merging kernel", grid, stream, params);
  }
  const int32_t blocks = params.routes / plan.warps_per_scan;  // of an item: a warp takes one route
  vmamba_status status =
      launch(kernels.ends, kernels.ends_name, grid_of(plan, blocks * items), stream, params);
  if (status == VMAMBA_OK && !plan.one_state && plan.segments > kFoldedSegments) {
    const int64_t rows = int64_t{params.scans} * params.routes * params.state;
    const Grid starts = grid_of(plan, blocks_for(rows, plan.warps_per_scan));
    status = launch(channel_starts, "channel_starts", starts, stream, params);
  }
  for (int32_t pass = 0; status == VMAMBA_OK && pass < params.sorted.passes; ++pass) {
    params.first_pass = params.last_pass = pass;
    status = launch(kernels.merge, "the merging kernel", grid, stream, params);
  }
  return status;
}

vmamba_status check_workspace(const void *workspace, size_t bytes, size_t needed) {
  if (bytes < needed) {
    return fail(VMAMBA_INVALID_ARGUMENT, "workspace_bytes is %zu, expected at least %zu", bytes,
                needed);
  }
  if (needed > 0 && (workspace == nullptr || reinterpret_cast<uintptr_t>(workspace) % 256)) {
    return fail(VMAMBA_INVALID_ARGUMENT, "workspace is %p, expected 256-byte alignment", workspace);
  }
  return VMAMBA_OK;
}

vmamba_status workspace_of(const vmamba_selective_scan_desc &desc, size_t *bytes) {
  if (bytes == nullptr) return fail(VMAMBA_INVALID_ARGUMENT, "bytes is NULL");
  Workspace layout;
  const vmamba_status status = layout_workspace(desc, &layout);
  if (status == VMAMBA_OK) *bytes = layout.bytes;
  return status;
}

// A call that has been checked, but for its workspace.
vmamba_status run(const vmamba_selective_scan_desc &desc, const vmamba_selective_scan_args &args,
                  void *workspace, size_t workspace_bytes, void *stream) {
  Workspace layout;
  vmamba_status status = layout_workspace(desc, &layout);
  if (status != VMAMBA_OK) return status;
  status = check_workspace(workspace, workspace_bytes, layout.bytes);
  if (status != VMAMBA_OK || desc.batch == 0) return status;
  DeviceLimits limits;
  status = device_limits(&limits);
  if (status != VMAMBA_OK) return status;
  const LaunchPlan plan = make_plan(desc, limits);
  if (plan.scans_per_block == 0) {
    return fail(VMAMBA_UNSUPPORTED,
                "state %d with rank %d needs more shared memory than this GPU's %d bytes",
                desc.state, desc.rank, limits.shared_bytes_per_block);
  }
  const ScanParams params = make_params(desc, args, plan, layout, workspace);
  const Kernels kernels = dispatch(desc, args, [&](auto element, auto aligned) {
    return kernels_for<decltype(element), aligned>(plan, desc.state);
  });
  return launch_all(kernels, params, stream);
}

}  // namespace
}  // namespace vmamba

extern "C" vmamba_status vmamba_selective_scan_cuda_workspace(
    const vmamba_selective_scan_desc *desc, size_t *bytes) {
  const vmamba_status status = vmamba_selective_scan_validate(desc);
  return status == VMAMBA_OK ? vmamba::workspace_of(*desc, bytes) : status;
}

extern "C" vmamba_status vmamba_selective_scan_cuda(const vmamba_selective_scan_desc *desc,
                                                    const vmamba_selective_scan_args *args,
                                                    void *workspace, size_t workspace_bytes,
                                                    void *stream) {
  const vmamba_status status = vmamba::validate_call(desc, args);
  if (status != VMAMBA_OK) return status;
  return vmamba::run(*desc, *args, workspace, workspace_bytes, stream);
}

extern "C" vmamba_status vmamba_scan_cuda_workspace(const vmamba_scan_desc *desc, size_t *bytes) {
  const vmamba_status status = vmamba_scan_validate(desc);
  return status == VMAMBA_OK ? vmamba::workspace_of(vmamba::four_routes(*desc), bytes) : status;
}

extern "C" vmamba_status vmamba_scan_cuda(const vmamba_scan_desc *desc,
                                          const vmamba_scan_args *args, void *workspace,
                                          size_t workspace_bytes, void *stream) {
  const vmamba_status status = vmamba::validate_call(desc, args);
  if (status != VMAMBA_OK) return status;
  return vmamba::run(vmamba::four_routes(*desc), vmamba::four_routes(*args), workspace,
                     workspace_bytes, stream);
}
