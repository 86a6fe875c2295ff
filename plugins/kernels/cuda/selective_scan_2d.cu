// vmamba_scan_cuda: checks, a plan, and its launches in the caller's stream.
#include <type_traits>

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
Kernels dispatch(const vmamba_scan_desc &desc, const vmamba_scan_args &args, const F &f) {
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
  if (state > 1) {
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
// then a pass over the rows and one over the columns.
vmamba_status launch_all(const Kernels &kernels, ScanParams params, void *stream) {
  const LaunchPlan &plan = params.plan;
  const int64_t items =
      int64_t{params.batch} * plan.segments * blocks_for(params.groups, plan.scans_per_block);
  const Grid grid = grid_of(plan, items);
  params.last_pass = 1;
  if (plan.segments == 1) {
    return launch(kernels.merge, "the merging kernel", grid, stream, params);
  }
  const int32_t blocks = VMAMBA_ROUTES / plan.warps_per_scan;  // of an item: a warp takes one route
  vmamba_status status =
      launch(kernels.ends, kernels.ends_name, grid_of(plan, blocks * items), stream, params);
  if (status == VMAMBA_OK && params.state > 1 && plan.segments > kFoldedSegments) {
    const int64_t rows = int64_t{params.scans} * VMAMBA_ROUTES * params.state;
    status = launch(channel_starts, "channel_starts", grid_of(plan, blocks_for(rows, kPairWarps)),
                    stream, params);
  }
  for (int32_t pass = 0; status == VMAMBA_OK && pass < 2; ++pass) {
    params.first_pass = params.last_pass = pass;
    const char *const name = pass == 0 ? "the pass over rows" : "the pass over columns";
    status = launch(kernels.merge, name, grid, stream, params);
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

// The other calls have no CUDA kernel yet.
vmamba_status as_four_routes(const vmamba_selective_scan_desc &desc, vmamba_scan_desc *four) {
  if (desc.routes != VMAMBA_ROUTES || desc.x_per_route == 1 || desc.dt_features != desc.rank) {
    return fail(VMAMBA_UNSUPPORTED,
                "on a GPU the scan takes all four routes, one x for them and a low-rank step");
  }
  *four = {desc.batch, desc.height, desc.width,    desc.channels,
           desc.state, desc.rank,   desc.in_dtype, desc.out_dtype};
  return VMAMBA_OK;
}

}  // namespace
}  // namespace vmamba

extern "C" vmamba_status vmamba_scan_cuda_workspace(const vmamba_scan_desc *desc, size_t *bytes) {
  vmamba_status status = vmamba_scan_validate(desc);
  if (status != VMAMBA_OK) return status;
  if (bytes == nullptr) return vmamba::fail(VMAMBA_INVALID_ARGUMENT, "bytes is NULL");
  vmamba::Workspace layout;
  status = vmamba::layout_workspace(*desc, &layout);
  if (status == VMAMBA_OK) *bytes = layout.bytes;
  return status;
}

extern "C" vmamba_status vmamba_scan_cuda(const vmamba_scan_desc *desc,
                                          const vmamba_scan_args *args, void *workspace,
                                          size_t workspace_bytes, void *stream) {
  vmamba_status status = vmamba::validate_call(desc, args);
  if (status != VMAMBA_OK) return status;
  vmamba::Workspace layout;
  status = vmamba::layout_workspace(*desc, &layout);
  if (status != VMAMBA_OK) return status;
  status = vmamba::check_workspace(workspace, workspace_bytes, layout.bytes);
  if (status != VMAMBA_OK || desc->batch == 0) return status;
  vmamba::DeviceLimits limits;
  status = vmamba::device_limits(&limits);
  if (status != VMAMBA_OK) return status;
  const vmamba::LaunchPlan plan = vmamba::make_plan(*desc, limits);
  if (plan.scans_per_block == 0) {
    return vmamba::fail(VMAMBA_UNSUPPORTED,
                        "state %d with rank %d needs more shared memory than this GPU's %d bytes",
                        desc->state, desc->rank, limits.shared_bytes_per_block);
  }
  const vmamba::ScanParams params = vmamba::make_params(*desc, *args, plan, layout, workspace);
  const auto kernels = vmamba::dispatch(*desc, *args, [&](auto element, auto aligned) {
    return vmamba::kernels_for<decltype(element), aligned>(plan, desc->state);
  });
  return vmamba::launch_all(kernels, params, stream);
}

extern "C" vmamba_status vmamba_selective_scan_cuda_workspace(
    const vmamba_selective_scan_desc *desc, size_t *bytes) {
  const vmamba_status status = vmamba_selective_scan_validate(desc);
  if (status != VMAMBA_OK) return status;
  vmamba_scan_desc four{};
  const vmamba_status known = vmamba::as_four_routes(*desc, &four);
  return known == VMAMBA_OK ? vmamba_scan_cuda_workspace(&four, bytes) : known;
}

extern "C" vmamba_status vmamba_selective_scan_cuda(const vmamba_selective_scan_desc *desc,
                                                    const vmamba_selective_scan_args *args,
                                                    void *workspace, size_t workspace_bytes,
                                                    void *stream) {
  const vmamba_status status = vmamba::validate_call(desc, args);
  if (status != VMAMBA_OK) return status;
  vmamba_scan_desc four{};
  const vmamba_status known = vmamba::as_four_routes(*desc, &four);
  if (known != VMAMBA_OK) return known;
  const vmamba_scan_args same{args->x, args->proj, args->dt_weight, args->dt_bias,
                              args->a, args->d,    args->y};
  return vmamba_scan_cuda(&four, &same, workspace, workspace_bytes, stream);
}
