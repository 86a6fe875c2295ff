// The CUDA kernel on the session's stream, its workspace from the session's allocator. Nothing here
// waits for the device or allocates outside that allocator, so a CUDA graph can capture it.
#include "ort_error.h"
#include "scan_node.h"

namespace vmamba::ort {
namespace {

// Device memory for one launch. It goes back to the session's arena as soon as the kernels are in
// the stream: the arena remembers the stream and gives the block to later work of that stream only.
class Scratch {
 public:
  Scratch(const OrtKernelContext *context, const OrtMemoryInfo *device, size_t bytes) {
    check(api->KernelContext_GetAllocator(context, device, &allocator_));
    OrtStatus *const status =
        api->KernelContext_GetScratchBuffer(context, device, bytes, &pointer_);
    if (status == nullptr) return;
    api->ReleaseAllocator(allocator_);
    throw OrtError(status);
  }
  ~Scratch() {
    allocator_->Free(allocator_, pointer_);
    api->ReleaseAllocator(allocator_);
  }
  Scratch(const Scratch &) = delete;
  Scratch &operator=(const Scratch &) = delete;

  void *pointer() const { return pointer_; }

 private:
  OrtAllocator *allocator_ = nullptr;
  void *pointer_ = nullptr;
};

void launch(const ScanCall &call, void *workspace, size_t workspace_bytes, void *stream) {
  check_scan(vmamba_scan_cuda(&call.desc, &call.args, workspace, workspace_bytes, stream));
}

}  // namespace

void compute_cuda(const ScanNode &node, OrtKernelContext *context) {
  const ScanCall call = prepare_call(node, context);
  void *stream = nullptr;
  check(api->KernelContext_GetGPUComputeStream(context, &stream));
  size_t workspace_bytes = 0;
  check_scan(vmamba_scan_cuda_workspace(&call.desc, &workspace_bytes));
  if (workspace_bytes == 0) {
    launch(call, nullptr, 0, stream);
    return;
  }
  const OrtMemoryInfo *device = nullptr;
  check(api->GetTensorMemoryInfo(call.output, &device));
  const Scratch scratch(context, device, workspace_bytes);
  launch(call, scratch.pointer(), workspace_bytes, stream);
}

}  // namespace vmamba::ort
