// The CPU kernel on the threads of the session.
#include <algorithm>
#include <thread>

#include "ort_error.h"
#include "scan_node.h"

namespace vmamba::ort {
namespace {

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

}  // namespace vmamba::ort
