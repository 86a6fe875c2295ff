// vmamba_scan_cuda: checks, a plan, and its launches in the caller's stream.
#include "common/last_error.h"
#include "common/validate.h"
#include "cuda/channel_kernels.cuh"
#include "cuda/tile_kernels.cuh"

namespace vmamba {
namespace {

Grid grid_of(const ScanParams &params, int64_t blocks) {
  const LaunchPlan &plan = params.plan;
  return {blocks < INT32_MAX ? blocks : INT32_MAX,
          plan.scans_per_block * plan.warps_per_scan * kWarpLanes, plan.shared.total,
          plan.begins_early};
}

int64_t blocks_for(int64_t items, int32_t items_of_block) {
  return (items + items_of_block - 1) / items_of_block;
}

// The pass over the rows, then the one over the columns: in one launch, or in two.
vmamba_status launch_passes(void (*merge)(ScanParams), ScanParams params, const Grid &grid,
                            void *stream) {
  params.last_pass = 1;
  if (params.plan.segments == 1) return launch(merge, "the merging kernel", grid, stream, params);
  vmamba_status status = VMAMBA_OK;
  for (int32_t pass = 0; status == VMAMBA_OK && pass < 2; ++pass) {
    params.first_pass = params.last_pass = pass;
    const char *const name = pass == 0 ? "the pass over rows" : "the pass over columns";
    status = launch(merge, name, grid, stream, params);
  }
  return status;
}

template <typename T, bool kAligned>
auto merging_kernel(const LaunchPlan &plan) {
  switch (compiled_members(way_members(plan.warps_per_scan))) {
    case 1:
      return merge_routes<T, kAligned, 1>;
    case kFewMembers:
      return merge_routes<T, kAligned, kFewMembers>;
    default:
      return merge_routes<T, kAligned, kMostMembers>;
  }
}

template <typename T, bool kAligned>
vmamba_status launch_tiles(const ScanParams &params, void *stream) {
  const int64_t items =
      params.batch * params.plan.segments * blocks_for(params.groups, params.plan.scans_per_block);
  vmamba_status status = VMAMBA_OK;
  if (params.plan.segments > 1) {
    const int64_t routes = VMAMBA_ROUTES / params.plan.warps_per_scan;  // of an item: 4 or 2
    status = launch(segment_ends<T, kAligned>, "segment_ends", grid_of(params, routes * items),
                    stream, params);
  }
  if (status != VMAMBA_OK) return status;
  return launch_passes(merging_kernel<T, kAligned>(params.plan), params, grid_of(params, items),
                       stream);
}

template <typename T, int kLaneStates, bool kAligned>
vmamba_status launch_channels(const ScanParams &params, void *stream) {
  const int64_t scans = int64_t{params.scans} * params.plan.segments;
  vmamba_status status = VMAMBA_OK;
  if (params.plan.segments > 1) {
    status = launch(channel_ends<T, kLaneStates, kAligned>, "channel_ends",
                    grid_of(params, blocks_for(VMAMBA_ROUTES * scans, kPairWarps)), stream, params);
  }
  if (status == VMAMBA_OK && params.plan.segments > kFoldedSegments) {
    const int64_t rows = int64_t{params.scans} * VMAMBA_ROUTES * params.state;
    status = launch(channel_starts, "channel_starts", grid_of(params, blocks_for(rows, kPairWarps)),
                    stream, params);
  }
  if (status != VMAMBA_OK) return status;
  return launch_passes(merge_channels<T, kLaneStates, kAligned>, params, grid_of(params, scans),
                       stream);
}

template <typename T, bool kAligned>
vmamba_status launch_for_state(const ScanParams &params, void *stream) {
  if (params.state == 1) return launch_tiles<T, kAligned>(params, stream);
  if (lane_states(params.state) == kMostLaneStates) {
    return launch_channels<T, kMostLaneStates, kAligned>(params, stream);
  }
  return launch_channels<T, kMostLaneStates / 2, kAligned>(params, stream);
}

template <typename T>
vmamba_status launch_for_shape(const ScanParams &params, bool aligned, void *stream) {
  return aligned ? launch_for_state<T, true>(params, stream)
                 : launch_for_state<T, false>(params, stream);
}

vmamba_status launch_for_dtype(int32_t dtype, const ScanParams &params, bool aligned,
                               void *stream) {
  switch (dtype) {
    case VMAMBA_FLOAT32:
      return launch_for_shape<float>(params, aligned, stream);
    case VMAMBA_FLOAT16:
      return launch_for_shape<__half>(params, aligned, stream);
    default:
      return launch_for_shape<__nv_bfloat16>(params, aligned, stream);
  }
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
  return vmamba::launch_for_dtype(desc->in_dtype, params, vmamba::is_aligned(*desc, *args), stream);
}
