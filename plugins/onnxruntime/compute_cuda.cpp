// The CUDA kernel on the session's stream, its workspace from the session's allocator.
#include "ort_error.h"
#include "scan_node.h"

namespace vmamba::ort {

void compute_cuda(const ScanNode &node, OrtKernelContext *context) {
  const ScanCall call = prepare_call(node, context);
  void *stream = nullptr;
  check(api->KernelContext_GetGPUComputeStream(context, &stream));
  size_t workspace_bytes = 0;
  check_scan(vmamba_scan_cuda_workspace(&call.desc, &workspace_bytes));
  void *workspace = nullptr;
  if (workspace_bytes > 0) {
    const OrtMemoryInfo *device = nullptr;
    check(api->GetTensorMemoryInfo(call.output, &device));
    // Owned by the context and freed, in stream order, after the node has run.
    check(api->KernelContext_GetScratchBuffer(context, device, workspace_bytes, &workspace));
  }
  check_scan(vmamba_scan_cuda(&call.desc, &call.args, workspace, workspace_bytes, stream));
}

}  // namespace vmamba::ort
