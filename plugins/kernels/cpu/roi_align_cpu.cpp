// vmamba_roi_align_cpu: splits a call into tasks (a box, some channels) and runs them.
#include <algorithm>
#include <atomic>
#include <cstring>
#include <new>

#include "common/validate.h"
#include "cpu/box_samples.h"
#include "cpu/cpu_build.h"
#include "cpu/dispatch.h"
#include "cpu/scratch_pool.h"
#include "cpu/thread_pool.h"

namespace vmamba {
namespace {

// Of a task. Tasks go through all boxes before they go to the next channels, so that what boxes
// share of the maps is still in a cache; each works out its box's weights anew, which costs less.
constexpr int64_t kSliceChannels = 32;

struct Call {
  const vmamba_roi_align_desc &desc;
  const vmamba_roi_align_args &args;
  const CpuBuild &build;
  std::atomic<bool> out_of_memory{false};
};

int64_t bytes_of(int32_t dtype) { return dtype == VMAMBA_FLOAT32 ? 4 : 2; }

// Where the arrays of a task begin in its scratch, in floats, each on a cache line of its own.
struct PoolScratch {
  int64_t row_weights, column_weights, pooled_rows, end;

  PoolScratch(int64_t bins, int64_t rows, int64_t columns, int64_t lanes) {
    row_weights = 0;
    column_weights = row_weights + padded(bins * rows, 16);
    pooled_rows = column_weights + padded(columns * padded(bins, lanes), 16);
    end = pooled_rows + padded(bins, kPoolRows) * padded(columns, lanes);
  }
};

// Fills `task` but for its scratch's memory, and pools the box.
void pool_box(const Call &call, PoolTask task, const BoxAxis &down, const BoxAxis &across,
              float *memory, const PoolScratch &scratch) {
  const int64_t bins = task.bins;
  std::memset(memory, 0, static_cast<size_t>(scratch.end) * sizeof(float));
  PixelRange bin_rows[VMAMBA_ROI_ALIGN_MAX_OUTPUT_SIZE];
  for (int32_t bin = 0; bin < bins; ++bin) bin_rows[bin] = down.pixels_of(bin);
  down.add_weights(memory + scratch.row_weights, task.rows.count, 1);
  across.add_weights(memory + scratch.column_weights, 1, padded(bins, call.build.lanes));
  task.bin_rows = bin_rows;
  task.row_weights = memory + scratch.row_weights;
  task.column_weights = memory + scratch.column_weights;
  task.pooled_rows = memory + scratch.pooled_rows;
  call.build.pool(task);
}

void run_task(void *arg, int64_t index) {
  Call &call = *static_cast<Call *>(arg);
  const vmamba_roi_align_desc &desc = call.desc;
  const int64_t all_boxes = desc.batch * desc.boxes;
  const int64_t box_index = index % all_boxes, image = box_index / desc.boxes;
  const int64_t first_channel = index / all_boxes * kSliceChannels;
  PoolTask task{};
  task.in_dtype = desc.in_dtype;
  task.out_dtype = desc.out_dtype;
  task.bins = desc.output_size;
  task.channels = std::min(kSliceChannels, desc.channels - first_channel);
  const int64_t bins = static_cast<int64_t>(task.bins) * task.bins;
  const int64_t y_bytes = bytes_of(desc.out_dtype);
  task.y = static_cast<char *>(call.args.y) +
           (box_index * desc.channels + first_channel) * bins * y_bytes;
  const auto write_zeros = [&] {
    std::memset(task.y, 0, static_cast<size_t>(task.channels * bins * y_bytes));
  };
  const float *const box = call.args.boxes + box_index * 4;
  const int32_t level = level_of(box);
  if (level < 0) return write_zeros();
  task.height = desc.heights[level];
  task.width = desc.widths[level];
  const BoxAxis down(box[1], box[3], level, task.bins, task.height);
  const BoxAxis across(box[0], box[2], level, task.bins, task.width);
  task.rows = down.pixels();
  task.columns = across.pixels();
  if (task.rows.count == 0 || task.columns.count == 0) return write_zeros();
  const int64_t pixels = task.height * task.width;
  const int64_t before = (image * desc.channels + first_channel) * pixels;
  task.map = static_cast<const char *>(call.args.maps[level]) + before * bytes_of(desc.in_dtype);
  task.readable = desc.batch * desc.channels * pixels - before;
  const PoolScratch scratch(task.bins, task.rows.count, task.columns.count, call.build.lanes);
  const ScratchLease lease(static_cast<size_t>(scratch.end) * sizeof(float));
  if (lease.memory() == nullptr) {
    call.out_of_memory.store(true, std::memory_order_relaxed);
    return;
  }
  pool_box(call, task, down, across, static_cast<float *>(lease.memory()), scratch);
}

vmamba_status run(const vmamba_roi_align_desc &desc, const vmamba_roi_align_args &args,
                  const vmamba_executor *executor) {
  const CpuBuild *build = selected_build();
  if (build == nullptr) return VMAMBA_UNSUPPORTED;
  const int32_t threads = executor == nullptr ? default_threads() : executor->threads;
  if (threads < 1) {
    return fail(VMAMBA_INVALID_ARGUMENT, "executor->threads is %d, expected at least 1", threads);
  }
  Call call{desc, args, *build};
  const int64_t slices = (desc.channels + kSliceChannels - 1) / kSliceChannels;
  const int64_t tasks = slices * desc.batch * desc.boxes;
  if (executor == nullptr || executor->parallel_for == nullptr) {
    run_on_own_threads(threads, tasks, run_task, &call);
  } else {
    executor->parallel_for(executor->context, tasks, run_task, &call);
  }
  if (call.out_of_memory) return fail(VMAMBA_OUT_OF_MEMORY, "no memory for the weights of a box");
  return VMAMBA_OK;
}

}  // namespace
}  // namespace vmamba

extern "C" vmamba_status vmamba_roi_align_cpu(const vmamba_roi_align_desc *desc,
                                              const vmamba_roi_align_args *args,
                                              const vmamba_executor *executor) {
  const vmamba_status status = vmamba::validate_call(desc, args);
  if (status != VMAMBA_OK) return status;
  if (desc->batch == 0 || desc->boxes == 0) return VMAMBA_OK;
  try {
    return vmamba::run(*desc, *args, executor);
  } catch (const std::bad_alloc &) {
    return vmamba::fail(VMAMBA_OUT_OF_MEMORY, "no memory for the thread pool");
  }
}
