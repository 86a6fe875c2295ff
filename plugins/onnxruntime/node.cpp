#include "node.h"

#include <algorithm>
#include <memory>
#include <thread>

namespace vmamba::ort {
namespace {

struct Job {
  vmamba_task task;
  void *arg;
};

void run_one(void *job, size_t index) {
  const auto *each = static_cast<const Job *>(job);
  each->task(each->arg, static_cast<int64_t>(index));
}

// ONNX Runtime does not tell how many threads it has: by default, one for each core. The number
// only guides how the work is cut up.
int32_t thread_estimate() {
  static const int32_t cores =
      std::max(1, static_cast<int32_t>(std::thread::hardware_concurrency()));
  return cores;
}

}  // namespace

InputTensor read_input(const OrtKernelContext *context, size_t index) {
  const OrtValue *value = nullptr;
  check(api->KernelContext_GetInput(context, index, &value));
  InputTensor tensor{};
  if (value == nullptr) return tensor;
  OrtTensorTypeAndShapeInfo *info = nullptr;
  check(api->GetTensorTypeAndShape(value, &info));
  const std::unique_ptr<OrtTensorTypeAndShapeInfo, decltype(api->ReleaseTensorTypeAndShapeInfo)>
      owner(info, api->ReleaseTensorTypeAndShapeInfo);
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

OutputTensor make_output(OrtKernelContext *context, const Shape &shape) {
  OrtValue *value = nullptr;
  check(api->KernelContext_GetOutput(context, 0, shape.extents, static_cast<size_t>(shape.rank),
                                     &value));
  void *data = nullptr;
  check(api->GetTensorMutableData(value, &data));
  return {value, data};
}

vmamba_executor SessionThreads::executor() noexcept {
  return {this, thread_estimate(), parallel_for};
}

void SessionThreads::parallel_for(void *self, int64_t count, vmamba_task task, void *arg) {
  auto *threads = static_cast<SessionThreads *>(self);
  Job job{task, arg};
  threads->status_ = api->KernelContext_ParallelFor(threads->context_, run_one,
                                                    static_cast<size_t>(count), 0, &job);
}

#ifdef VMAMBA_ORT_CUDA
Scratch::Scratch(const OrtKernelContext *context, const OrtValue *beside, size_t bytes) {
  if (bytes == 0) return;
  const OrtMemoryInfo *device = nullptr;
  check(api->GetTensorMemoryInfo(beside, &device));
  check(api->KernelContext_GetAllocator(context, device, &allocator_));
  OrtStatus *const status = api->KernelContext_GetScratchBuffer(context, device, bytes, &pointer_);
  if (status == nullptr) return;
  api->ReleaseAllocator(allocator_);
  throw OrtError(status);
}

Scratch::~Scratch() {
  if (allocator_ == nullptr) return;
  allocator_->Free(allocator_, pointer_);
  api->ReleaseAllocator(allocator_);
}
#endif

}  // namespace vmamba::ort
