// Scratch memory that outlives a call, so that a call does not pay for fresh pages.
#ifndef VMAMBA_KERNELS_CPU_SCRATCH_POOL_H
#define VMAMBA_KERNELS_CPU_SCRATCH_POOL_H

#include <cstddef>

namespace vmamba {

// A buffer of at least `bytes`, aligned to 64, for the length of one task; memory() is NULL when
// there was none to be had. Buffers go back to a small pool that is freed when the library is
// unloaded, whatever threads used it (a thread_local would keep the library from being unloaded).
class ScratchLease {
 public:
  explicit ScratchLease(size_t bytes);
  ~ScratchLease();
  ScratchLease(const ScratchLease &) = delete;
  ScratchLease &operator=(const ScratchLease &) = delete;

  void *memory() const;

 private:
  void *buffer_;
};

}  // namespace vmamba

#endif  // VMAMBA_KERNELS_CPU_SCRATCH_POOL_H
