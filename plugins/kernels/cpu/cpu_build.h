// One task of a CPU kernel (of the scan: an image and a block of channels; of RoIAlign: a box and
// some channels) and the builds that can run it.
#ifndef VMAMBA_KERNELS_CPU_CPU_BUILD_H
#define VMAMBA_KERNELS_CPU_CPU_BUILD_H

#include <stddef.h>
#include <stdint.h>

#include "cpu/box_samples.h"
#include "vmamba/multi_level_roi_align.h"
#include "vmamba/selective_scan.h"

namespace vmamba {

constexpr int kMaxBlockVectors = 3;

struct BlockTask {
  const vmamba_selective_scan_desc *desc;
  const vmamba_selective_scan_args *args;
  int64_t image;
  int64_t first_channel;
  int32_t vectors;  // 1..kMaxBlockVectors; the last may reach past the last channel
  void *scratch;    // scratch_bytes(desc, vectors), aligned to 64
};

struct PoolTask {
  int32_t in_dtype, out_dtype, bins;  // bins in each direction
  const void *map;                    // [channels, height, width] of the image
  int64_t height, width, channels;
  int64_t readable;  // elements from `map` to the end of the tensor that it is a part of
  void *y;           // [channels, bins, bins]
  PixelRange rows, columns;
  const PixelRange *bin_rows;   // [bins]
  const float *row_weights;     // [bins, rows.count]
  const float *column_weights;  // [columns.count, padded_to_vectors(bins)]
  float *pooled_rows;           // [pooled_rows(bins), padded_to_vectors(columns.count)]
};

// How many rows of a task are pooled at a time.
constexpr int32_t kPoolRows = 4;
constexpr int64_t padded(int64_t count, int64_t to) { return (count + to - 1) / to * to; }

// The same source compiled for one instruction set.
struct CpuBuild {
  const char *name;
  int32_t lanes;
  size_t (*scratch_bytes)(const vmamba_selective_scan_desc &desc, int32_t vectors);
  void (*run)(const BlockTask &task);
  void (*pool)(const PoolTask &task);
};

extern const CpuBuild kPortableBuild;
#if defined(__x86_64__)
extern const CpuBuild kAvx2Build;
extern const CpuBuild kAvx512Build;
#elif defined(__aarch64__)
extern const CpuBuild kNeonBuild;
#endif

}  // namespace vmamba

#endif  // VMAMBA_KERNELS_CPU_CPU_BUILD_H
