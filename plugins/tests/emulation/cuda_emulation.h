// As much of CUDA as the kernels use, on the host: threads are fibers, a launch is a loop over
// blocks.
#ifndef VMAMBA_TESTS_EMULATION_CUDA_EMULATION_H
#define VMAMBA_TESTS_EMULATION_CUDA_EMULATION_H

#include <cstring>
#include <memory>
#include <numeric>
#include <random>
#include <string>
#include <vector>

#include "block_run.h"
#include "common/validate.h"
#include "cuda_builtins.h"
#include "device.h"
#include "race_detector.h"
#include "warp_emulation.h"

namespace vmamba {
namespace emulation {

// A small grid, so that the kernels' loop over further items is walked as well.
constexpr int64_t kLargestGrid = 7;

inline std::vector<unsigned> block_order(uint64_t seed) {
  std::vector<unsigned> order(gridDim.x);
  std::iota(order.begin(), order.end(), 0u);
  std::mt19937_64 random(seed);
  if (seed != 0) std::shuffle(order.begin(), order.end(), random);
  return order;
}

template <typename Params>
struct KernelCall {
  void (*kernel)(Params);
  const Params &params;

  static void run(void *call) {
    const auto *const own = static_cast<const KernelCall *>(call);
    own->kernel(own->params);
  }
};

}  // namespace emulation

inline vmamba_status device_limits(DeviceLimits *limits) {
  *limits = emulation::device().limits;
  return VMAMBA_OK;
}

// Shared memory holds nothing but NaN when a block begins, and ends where the launch said.
template <typename Params>
vmamba_status launch(void (*kernel)(Params), const char *name, const Grid &grid, void *,
                     const Params &params) {
  using namespace emulation;
  const size_t shared_bytes = static_cast<size_t>(grid.shared_bytes);
  if (grid.shared_bytes > device().limits.shared_bytes_per_block) {
    return fail(VMAMBA_RUNTIME_ERROR, "launch of %s: %zu bytes of shared memory", name,
                shared_bytes);
  }
  gridDim.x = static_cast<unsigned>(std::min(grid.blocks, kLargestGrid));
  BlockRun block(grid.threads, device().seed);
  KernelCall<Params> call{kernel, params};
  for (const unsigned index : block_order(device().seed)) {
    blockIdx.x = index;
    const std::unique_ptr<unsigned char[]> shared(new unsigned char[shared_bytes]);
    std::memset(shared.get(), 0xff, shared_bytes);
    block_memory = shared.get();
    RaceDetector::instance().begin_block(shared.get(), shared_bytes);
    const std::string failure = block.run(&KernelCall<Params>::run, &call);
    RaceDetector::instance().end_block();
    if (!failure.empty()) {
      return fail(VMAMBA_RUNTIME_ERROR, "%s, block %u: %s", name, index, failure.c_str());
    }
  }
  return VMAMBA_OK;
}

}  // namespace vmamba

#endif  // VMAMBA_TESTS_EMULATION_CUDA_EMULATION_H
