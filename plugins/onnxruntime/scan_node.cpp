#include "scan_node.h"

#include <algorithm>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "common/signature.h"
#include "vmamba/selective_scan_2d.h"

namespace vmamba::ort {
namespace {

struct ScanCall {
  vmamba_scan_desc desc;
  vmamba_scan_args args;
  const OrtValue *output;
};

struct Tensor {
  std::vector<int64_t> shape;
  ONNXTensorElementDataType dtype;
  const void *data;
};

[[noreturn]] void reject(const std::string &text) {
  throw OrtError(ORT_INVALID_ARGUMENT, "vmamba::SelectiveScan2D: " + text);
}

Tensor read_input(const OrtKernelContext *context, int32_t index) {
  const OrtValue *value = nullptr;
  check(api->KernelContext_GetInput(context, static_cast<size_t>(index), &value));
  if (value == nullptr) reject(std::string("input ") + kInputNames[index] + " is missing");
  OrtTensorTypeAndShapeInfo *info = nullptr;
  check(api->GetTensorTypeAndShape(value, &info));
  const std::unique_ptr<OrtTensorTypeAndShapeInfo, decltype(api->ReleaseTensorTypeAndShapeInfo)>
      owner(info, api->ReleaseTensorTypeAndShapeInfo);
  Tensor tensor{};
  size_t rank = 0;
  check(api->GetDimensionsCount(info, &rank));
  tensor.shape.resize(rank);
  check(api->GetDimensions(info, tensor.shape.data(), rank));
  check(api->GetTensorElementType(info, &tensor.dtype));
  void *data = nullptr;  // the C interface has no read-only variant; the data is only read
  check(api->GetTensorMutableData(const_cast<OrtValue *>(value), &data));
  tensor.data = data;
  return tensor;
}

// Throws with vmamba_last_error's text unless status is VMAMBA_OK.
void check_scan(vmamba_status status) {
  if (status == VMAMBA_OK) return;
  const OrtErrorCode code = status == VMAMBA_INVALID_ARGUMENT ? ORT_INVALID_ARGUMENT : ORT_FAIL;
  throw OrtError(code, std::string("vmamba::SelectiveScan2D: ") + vmamba_last_error());
}

// Reads the inputs, checks their shapes and dtypes, and allocates the output.
ScanCall prepare_call(const ScanNode &node, OrtKernelContext *context) {
  Inputs inputs;
  const void *pointers[kInputs];
  std::vector<int64_t> output_shape;
  for (int32_t i = 0; i < kInputs; ++i) {
    Tensor tensor = read_input(context, i);
    inputs.dtypes[i] = tensor.dtype;  // ONNX's numbers on both sides
    inputs.shapes[i] = make_shape(tensor.shape.data(), static_cast<int64_t>(tensor.shape.size()));
    pointers[i] = tensor.data;
    if (i == 0) output_shape = std::move(tensor.shape);
  }
  ScanCall call{};
  Problem problem;
  if (!describe_call(inputs, node.out_dtype, &call.desc, &problem)) reject(problem.text);
  check_scan(vmamba_scan_validate(&call.desc));
  OrtValue *output = nullptr;
  check(
      api->KernelContext_GetOutput(context, 0, output_shape.data(), output_shape.size(), &output));
  void *y = nullptr;
  check(api->GetTensorMutableData(output, &y));
  call.args = make_args(pointers, y);
  call.output = output;
  return call;
}

struct Job {
  vmamba_task task;
  void *arg;
};

struct Threads {
  const OrtKernelContext *context;
  OrtStatus *status;
};

void run_one(void *job, size_t index) {
  const auto *each = static_cast<const Job *>(job);
  each->task(each->arg, static_cast<int64_t>(index));
}

void parallel_for(void *context, int64_t count, vmamba_task task, void *arg) {
  auto *threads = static_cast<Threads *>(context);
  Job job{task, arg};
  threads->status = api->KernelContext_ParallelFor(threads->context, run_one,
                                                   static_cast<size_t>(count), 0, &job);
}

// ONNX Runtime does not tell how many threads it has: by default, one for each core. The number
// only guides how the work is cut up.
int32_t thread_estimate() {
  static const int32_t cores =
      std::max(1, static_cast<int32_t>(std::thread::hardware_concurrency()));
  return cores;
}

}  // namespace

void compute_cpu(const ScanNode &node, OrtKernelContext *context) {
  const ScanCall call = prepare_call(node, context);
  Threads threads{context, nullptr};
  const vmamba_executor executor{&threads, thread_estimate(), parallel_for};
  const vmamba_status status = vmamba_scan_cpu(&call.desc, &call.args, &executor);
  check(threads.status);
  check_scan(status);
}

#ifdef VMAMBA_ORT_CUDA
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
#endif

}  // namespace vmamba::ort
