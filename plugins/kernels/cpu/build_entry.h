// Defines run_block, block_scratch_bytes and pool_box of this build; the including file names the
// build.
#ifndef VMAMBA_KERNELS_CPU_BUILD_ENTRY_H
#define VMAMBA_KERNELS_CPU_BUILD_ENTRY_H

#include "cpu/box_pool.h"
#include "cpu/scan_block.h"

namespace vmamba {
namespace VMAMBA_BUILD {

// A state that decays through zero input would reach denormals, which cost a hundred cycles each.
class FlushDenormals {
 public:
#if defined(__x86_64__)
  FlushDenormals() : saved_(_mm_getcsr()) { _mm_setcsr(saved_ | 0x8040u); }
  ~FlushDenormals() { _mm_setcsr(saved_); }

 private:
  unsigned int saved_;
#elif defined(__aarch64__)
  FlushDenormals() : saved_(control()) { set_control(saved_ | uint64_t{1} << 24); }
  ~FlushDenormals() { set_control(saved_); }

 private:
  // No arithmetic on what lies in memory is moved across them.
  static uint64_t control() {
    uint64_t value;
    __asm__ volatile("mrs %0, fpcr" : "=r"(value)::"memory");
    return value;
  }
  static void set_control(uint64_t value) {
    __asm__ volatile("msr fpcr, %0" ::"r"(value) : "memory");
  }

  uint64_t saved_;
#else
  FlushDenormals() {}
  ~FlushDenormals() {}
#endif
};

template <typename In>
void run_vectors(const BlockTask &task) {
  switch (task.vectors) {
    case 1:
      return BlockScan<In, 1>(task).run();
    case 2:
      return BlockScan<In, 2>(task).run();
    default:
      return BlockScan<In, 3>(task).run();
  }
}

inline void run_block(const BlockTask &task) {
  const FlushDenormals flush;
  switch (task.desc->in_dtype) {
    case VMAMBA_FLOAT16:
      return run_vectors<Half>(task);
    case VMAMBA_BFLOAT16:
      return run_vectors<BFloat16>(task);
    default:
      return run_vectors<float>(task);
  }
}

inline size_t block_scratch_bytes(const vmamba_selective_scan_desc &desc, int32_t vectors) {
  return ScratchLayout(desc, static_cast<int64_t>(vectors) * kLanes, nullptr).bytes;
}

template <typename In>
void pool_elements(const PoolTask &task) {
  switch (task.out_dtype) {
    case VMAMBA_FLOAT16:
      return BoxPool<In, Half>(task).run();
    case VMAMBA_BFLOAT16:
      return BoxPool<In, BFloat16>(task).run();
    default:
      return BoxPool<In, float>(task).run();
  }
}

inline void pool_box(const PoolTask &task) {
  const FlushDenormals flush;
  switch (task.in_dtype) {
    case VMAMBA_FLOAT16:
      return pool_elements<Half>(task);
    case VMAMBA_BFLOAT16:
      return pool_elements<BFloat16>(task);
    default:
      return pool_elements<float>(task);
  }
}

}  // namespace VMAMBA_BUILD
}  // namespace vmamba

#endif  // VMAMBA_KERNELS_CPU_BUILD_ENTRY_H
