// vmamba_selective_scan_cpu: splits a call into tasks (image, block of channels) and runs them.
#include <atomic>
#include <new>

#include "common/four_routes.h"
#include "common/validate.h"
#include "cpu/cpu_build.h"
#include "cpu/dispatch.h"
#include "cpu/scratch_pool.h"
#include "cpu/thread_pool.h"

namespace vmamba {
namespace {

struct Call {
  const vmamba_selective_scan_desc *desc;
  const vmamba_selective_scan_args *args;
  const CpuBuild *build;
  int64_t vectors;        // of lanes, over all channels
  int32_t block_vectors;  // of one task
  int64_t blocks;         // of one image
  std::atomic<bool> out_of_memory{false};
};

int64_t ceil_div(int64_t a, int64_t b) { return (a + b - 1) / b; }

// Wide blocks cost less per channel (a pixel's dt, B and C are read once per block, and the vectors
// of a block hide each other's latency), narrow ones spread better over the threads. The weights
// are measured times per vector. The choice never changes a bit of the result.
int32_t choose_block_vectors(int64_t images, int64_t vectors, int32_t threads) {
  constexpr int64_t kCostPerVector[kMaxBlockVectors + 1] = {0, 125, 108, 100};
  int32_t best = 1;
  int64_t best_cost = INT64_MAX;
  for (int32_t width = 1; width <= kMaxBlockVectors; ++width) {
    const int64_t rounds = ceil_div(images * ceil_div(vectors, width), threads);
    const int64_t cost = rounds * width * kCostPerVector[width];
    if (cost <= best_cost) {
      best = width;
      best_cost = cost;
    }
  }
  return best;
}

void run_task(void *arg, int64_t index) {
  Call &call = *static_cast<Call *>(arg);
  const int64_t first_vector = index % call.blocks * call.block_vectors;
  const int64_t left = call.vectors - first_vector;
  BlockTask task;
  task.desc = call.desc;
  task.args = call.args;
  task.image = index / call.blocks;
  task.first_channel = first_vector * call.build->lanes;
  task.vectors = left < call.block_vectors ? static_cast<int32_t>(left) : call.block_vectors;
  const ScratchLease scratch(call.build->scratch_bytes(*call.desc, task.vectors));
  task.scratch = scratch.memory();
  if (task.scratch == nullptr) {
    call.out_of_memory.store(true, std::memory_order_relaxed);
    return;
  }
  call.build->run(task);
}

vmamba_status run(const vmamba_selective_scan_desc &desc, const vmamba_selective_scan_args &args,
                  const vmamba_executor *executor) {
  const CpuBuild *build = selected_build();
  if (build == nullptr) return VMAMBA_UNSUPPORTED;
  const int32_t threads = executor == nullptr ? default_threads() : executor->threads;
  if (threads < 1) {
    return fail(VMAMBA_INVALID_ARGUMENT, "executor->threads is %d, expected at least 1", threads);
  }
  Call call;
  call.desc = &desc;
  call.args = &args;
  call.build = build;
  call.vectors = ceil_div(desc.channels, build->lanes);
  call.block_vectors = choose_block_vectors(desc.batch, call.vectors, threads);
  call.blocks = ceil_div(call.vectors, call.block_vectors);
  const int64_t tasks = desc.batch * call.blocks;
  if (executor == nullptr || executor->parallel_for == nullptr) {
    run_on_own_threads(threads, tasks, run_task, &call);
  } else {
    executor->parallel_for(executor->context, tasks, run_task, &call);
  }
  if (call.out_of_memory) {
    return fail(VMAMBA_OUT_OF_MEMORY, "no memory for %zu bytes of scratch per thread",
                build->scratch_bytes(desc, call.block_vectors));
  }
  return VMAMBA_OK;
}

// Of a call that was checked.
vmamba_status run_guarded(const vmamba_selective_scan_desc &desc,
                          const vmamba_selective_scan_args &args, const vmamba_executor *executor) {
  if (desc.batch == 0) return VMAMBA_OK;
  try {
    return run(desc, args, executor);
  } catch (const std::bad_alloc &) {
    return fail(VMAMBA_OUT_OF_MEMORY, "no memory for the thread pool");
  }
}

}  // namespace
}  // namespace vmamba

extern "C" vmamba_status vmamba_selective_scan_cpu(const vmamba_selective_scan_desc *desc,
                                                   const vmamba_selective_scan_args *args,
                                                   const vmamba_executor *executor) {
  const vmamba_status status = vmamba::validate_call(desc, args);
  return status == VMAMBA_OK ? vmamba::run_guarded(*desc, *args, executor) : status;
}

extern "C" vmamba_status vmamba_scan_cpu(const vmamba_scan_desc *desc, const vmamba_scan_args *args,
                                         const vmamba_executor *executor) {
  const vmamba_status status = vmamba::validate_call(desc, args);
  if (status != VMAMBA_OK) return status;
  return vmamba::run_guarded(vmamba::four_routes(*desc), vmamba::four_routes(*args), executor);
}
