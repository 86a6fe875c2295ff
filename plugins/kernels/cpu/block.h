// One task of the CPU kernel (an image and a block of channels) and the builds that can run it.
#ifndef VMAMBA_KERNELS_CPU_BLOCK_H
#define VMAMBA_KERNELS_CPU_BLOCK_H

#include <stddef.h>
#include <stdint.h>

#include "vmamba/selective_scan_2d.h"

namespace vmamba {

constexpr int kMaxBlockVectors = 3;

struct BlockTask {
  const vmamba_scan_desc *desc;
  const vmamba_scan_args *args;
  int64_t image;
  int64_t first_channel;
  int32_t vectors;  // 1..kMaxBlockVectors; the last may reach past the last channel
  void *scratch;    // scratch_bytes(desc, vectors), aligned to 64
};

// The same source compiled for one instruction set.
struct CpuBuild {
  const char *name;
  int32_t lanes;
  size_t (*scratch_bytes)(const vmamba_scan_desc &desc, int32_t vectors);
  void (*run)(const BlockTask &task);
};

extern const CpuBuild kPortableBuild;
#if defined(__x86_64__)
extern const CpuBuild kAvx2Build;
extern const CpuBuild kAvx512Build;
#endif

}  // namespace vmamba

#endif  // VMAMBA_KERNELS_CPU_BLOCK_H
