// vmamba_scan_cuda: checks, then four launches in the caller's stream.
#include "common/last_error.h"
#include "common/validate.h"
#include "cuda/scan_kernels.cuh"

namespace vmamba {
namespace {

int32_t threads_per_block(const ScanParams &params) {
  const int32_t warp = 32;
  const int32_t wanted = (params.channels + warp - 1) / warp * warp;
  return wanted < kMaxThreads ? wanted : kMaxThreads;
}

// The kernels loop over what exceeds the largest grid.
int64_t grid_blocks(int64_t items) { return items < INT32_MAX ? items : INT32_MAX; }

template <typename T, int kStates>
vmamba_status launch_scan(const ScanParams &params, void *stream) {
  const int32_t threads = threads_per_block(params);
  const int64_t channel_blocks = params.batch * params.channel_blocks;
  const int64_t chunk_blocks = grid_blocks(channel_blocks * params.chunks);
  vmamba_status status = VMAMBA_OK;
  if (params.chunks > 1) {
    const int64_t end_blocks =
        grid_blocks(channel_blocks * VMAMBA_ROUTES * params.chunks * params.state_groups);
    status = launch(chunk_ends<T, kStates>, "chunk_ends", end_blocks, threads, stream, params);
    if (status != VMAMBA_OK) return status;
    const int64_t carry_blocks = grid_blocks(channel_blocks * VMAMBA_ROUTES * params.state);
    status = launch(carry_states, "carry_states", carry_blocks, threads, stream, params);
    if (status != VMAMBA_OK) return status;
  }
  status = launch(merge_routes<T, kStates, false>, "merge_routes over rows", chunk_blocks, threads,
                  stream, params);
  if (status != VMAMBA_OK) return status;
  return launch(merge_routes<T, kStates, true>, "merge_routes over columns", chunk_blocks, threads,
                stream, params);
}

template <typename T>
vmamba_status launch_for_states(const ScanParams &params, void *stream) {
  return params.state == 1 ? launch_scan<T, 1>(params, stream)
                           : launch_scan<T, kGroupStates>(params, stream);
}

vmamba_status launch_for_dtype(int32_t dtype, const ScanParams &params, void *stream) {
  switch (dtype) {
    case VMAMBA_FLOAT32:
      return launch_for_states<float>(params, stream);
    case VMAMBA_FLOAT16:
      return launch_for_states<__half>(params, stream);
    default:
      return launch_for_states<__nv_bfloat16>(params, stream);
  }
}

}  // namespace
}  // namespace vmamba

extern "C" vmamba_status vmamba_scan_cuda_workspace(const vmamba_scan_desc *desc, size_t *bytes) {
  vmamba_status status = vmamba_scan_validate(desc);
  if (status != VMAMBA_OK) return status;
  if (bytes == nullptr) return vmamba::fail(VMAMBA_INVALID_ARGUMENT, "bytes is NULL");
  vmamba::WorkspaceLayout layout;
  status = vmamba::layout_workspace(*desc, &layout);
  if (status == VMAMBA_OK) *bytes = layout.bytes;
  return status;
}

extern "C" vmamba_status vmamba_scan_cuda(const vmamba_scan_desc *desc,
                                          const vmamba_scan_args *args, void *workspace,
                                          size_t workspace_bytes, void *stream) {
  vmamba_status status = vmamba::validate_call(desc, args);
  if (status != VMAMBA_OK) return status;
  vmamba::WorkspaceLayout layout;
  status = vmamba::layout_workspace(*desc, &layout);
  if (status != VMAMBA_OK) return status;
  if (workspace_bytes < layout.bytes) {
    return vmamba::fail(VMAMBA_INVALID_ARGUMENT, "workspace_bytes is %zu, expected at least %zu",
                        workspace_bytes, layout.bytes);
  }
  if (layout.bytes > 0 && (workspace == nullptr || reinterpret_cast<uintptr_t>(workspace) % 256)) {
    return vmamba::fail(VMAMBA_INVALID_ARGUMENT, "workspace is %p, expected 256-byte alignment",
                        workspace);
  }
  if (desc->batch == 0) return VMAMBA_OK;
  const vmamba::ScanParams params = vmamba::make_params(*desc, *args, layout, workspace);
  return vmamba::launch_for_dtype(desc->in_dtype, params, stream);
}
