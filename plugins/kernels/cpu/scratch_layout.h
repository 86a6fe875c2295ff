// What one task keeps in its scratch memory, as pointers into one aligned allocation.
#ifndef VMAMBA_KERNELS_CPU_SCRATCH_LAYOUT_H
#define VMAMBA_KERNELS_CPU_SCRATCH_LAYOUT_H

#include <stddef.h>
#include <stdint.h>

#include "vmamba/selective_scan.h"

namespace vmamba {
namespace VMAMBA_BUILD {

// Pixels whose step sizes are worked out together, before the recurrence runs over them: enough to
// hide the latency of the special functions, few enough for the tile to stay in the first cache.
constexpr int kTilePixels = 32;

// A step for each channel lies in memory as the channels do, and each block reads its own part of
// it there.
constexpr bool has_channel_steps(const vmamba_selective_scan_desc &desc) {
  return desc.dt_features != desc.rank;
}

// Features of a pixel that all channels of a route share: the low-rank step, B and C.
constexpr int shared_features(const vmamba_selective_scan_desc &desc) {
  return (has_channel_steps(desc) ? 0 : desc.rank) + 2 * desc.state;
}

// Sizes in floats; C is the block's channels (whole vectors), F those of shared_features.
struct ScratchLayout {
  float *merge;      // [H*W, C] sum of the routes
  float *dt_weight;  // [R, C] of the route times log2(e), padded with zeros to whole vectors
  float *dt_bias;    // [C] times log2(e)
  float *a;          // [N, C]
  float *skip;       // [C] d, summed over the routes, or that of the route (see BlockScan)
  float *state;      // [N, C] h
  float *delta;      // [kTilePixels, C]
  float *driven;     // [kTilePixels, C] delta * x
  float *decay;      // [kTilePixels, C]
  float *proj;       // [kTilePixels, F], when proj is not float32 in memory
  size_t bytes;

  ScratchLayout(const vmamba_selective_scan_desc &desc, int64_t channels, void *scratch) {
    const int64_t features = shared_features(desc);
    int64_t used = 0;
    const auto take = [&used, scratch](int64_t floats) {
      float *start = scratch == nullptr ? nullptr : static_cast<float *>(scratch) + used;
      used += (floats + 15) / 16 * 16;  // every array starts on a cache line
      return start;
    };
    merge = take(desc.height * desc.width * channels);
    dt_weight = take(desc.rank * channels);
    dt_bias = take(channels);
    a = take(desc.state * channels);
    skip = take(channels);
    state = take(desc.state * channels);
    delta = take(kTilePixels * channels);
    driven = take(kTilePixels * channels);
    decay = take(kTilePixels * channels);
    // Half precision is converted a vector at a time, past the last feature.
    proj = take(desc.in_dtype == VMAMBA_FLOAT32 ? 0 : kTilePixels * features + VMAMBA_LANES);
    bytes = static_cast<size_t>(used) * sizeof(float);
  }
};

}  // namespace VMAMBA_BUILD
}  // namespace vmamba

#endif  // VMAMBA_KERNELS_CPU_SCRATCH_LAYOUT_H
