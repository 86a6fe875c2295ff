// vmamba_scan_cuda: checks, a plan, and its one or three launches in the caller's stream.
#include "common/last_error.h"
#include "common/validate.h"
#include "cuda/scan_kernels.cuh"

namespace vmamba {
namespace {

Grid grid_of(const ScanParams &params, int64_t items_per_block_group) {
  const LaunchPlan &plan = params.plan;
  const int64_t group_blocks = (params.groups + plan.scans_per_block - 1) / plan.scans_per_block;
  const int64_t blocks = params.batch * items_per_block_group * group_blocks;
  return {blocks < INT32_MAX ? blocks : INT32_MAX,
          plan.scans_per_block * plan.warps_per_scan * kWarpLanes, plan.shared.total};
}

template <typename T, bool kOneState, bool kAligned>
vmamba_status launch_merge(const ScanParams &params, const char *name, void *stream) {
  return launch(merge_routes<T, kOneState, kAligned>, name, grid_of(params, params.plan.segments),
                stream, params);
}

template <typename T, bool kOneState, bool kAligned>
vmamba_status launch_scan(ScanParams params, void *stream) {
  params.last_pass = 1;
  if (params.plan.segments == 1) {
    return launch_merge<T, kOneState, kAligned>(params, "merge_routes", stream);
  }
  vmamba_status status =
      launch(segment_ends<T, kOneState, kAligned>, "segment_ends",
             grid_of(params, VMAMBA_ROUTES * int64_t{params.plan.segments}), stream, params);
  for (int32_t pass = 0; status == VMAMBA_OK && pass < 2; ++pass) {
    params.first_pass = params.last_pass = pass;
    const char *const name = pass == 0 ? "merge_routes over rows" : "merge_routes over columns";
    status = launch_merge<T, kOneState, kAligned>(params, name, stream);
  }
  return status;
}

template <typename T>
vmamba_status launch_for_shape(const ScanParams &params, bool aligned, void *stream) {
  if (params.state == 1) {
    return aligned ? launch_scan<T, true, true>(params, stream)
                   : launch_scan<T, true, false>(params, stream);
  }
  return aligned ? launch_scan<T, false, true>(params, stream)
                 : launch_scan<T, false, false>(params, stream);
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
