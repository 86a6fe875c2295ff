// How a call is cut into chunks, and what every kernel of it receives.
#ifndef VMAMBA_KERNELS_CUDA_SCAN_PARAMS_H
#define VMAMBA_KERNELS_CUDA_SCAN_PARAMS_H

#include <cstddef>
#include <cstdint>

#include "vmamba/selective_scan_2d.h"

namespace vmamba {

constexpr int32_t kMaxTilePixels = 8;  // a chunk is a whole number of tiles
constexpr int32_t kGroupStates = 16;   // states that a thread holds in registers
constexpr int32_t kMaxThreads = 128;

struct ScanParams {
  vmamba_scan_args args;
  float *chunk_states;  // [B,4,chunks,N,D]: end states, which the carry turns into start states
  float *delta_sums;    // [B,4,chunks,D]
  float *map;           // [B,L,D]: the merge so far; y itself where y is float32
  int64_t batch;
  int32_t height, width, length, channels, state, rank;
  int32_t chunk_length, chunks, state_groups, channel_blocks;
  bool rounds_output;  // y is not float32
};

// The cut depends on L and N alone: an image gives the same bits in every batch.
// 4 N keeps the chunk states near the size of the map.
inline int32_t chunk_length(const vmamba_scan_desc &desc) {
  const int32_t wanted = 4 * desc.state;
  const int32_t rounded = (wanted + kMaxTilePixels - 1) / kMaxTilePixels * kMaxTilePixels;
  return rounded < 2 * kMaxTilePixels ? 2 * kMaxTilePixels : rounded;
}

struct WorkspaceLayout {
  size_t chunk_states = 0, delta_sums = 0, map = 0;  // byte offsets
  size_t bytes = 0;
};

// VMAMBA_UNSUPPORTED where a size passes what the kernels index. Grows with every size of desc.
vmamba_status layout_workspace(const vmamba_scan_desc &desc, WorkspaceLayout *layout);

ScanParams make_params(const vmamba_scan_desc &desc, const vmamba_scan_args &args,
                       const WorkspaceLayout &layout, void *workspace);

}  // namespace vmamba

#endif  // VMAMBA_KERNELS_CUDA_SCAN_PARAMS_H
