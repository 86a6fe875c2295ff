// The library's own threads, for callers that bring no executor.
#ifndef VMAMBA_KERNELS_CPU_THREAD_POOL_H
#define VMAMBA_KERNELS_CPU_THREAD_POOL_H

#include <cstdint>

#include "vmamba/common.h"

namespace vmamba {

// VMAMBA_NUM_THREADS, else the cores that this process may use; at least 1.
int32_t default_threads();

// Runs task(arg, i) for i in 0..count-1 on at most `threads` threads, the caller among them.
// Threads start with the first call that needs them and sleep between calls. A second caller at the
// same time, and a child process after fork, are served: the one by its own thread alone, the other
// by fresh threads.
void run_on_own_threads(int32_t threads, int64_t count, vmamba_task task, void *arg);

}  // namespace vmamba

#endif  // VMAMBA_KERNELS_CPU_THREAD_POOL_H
