// The order in which a route visits the pixels.
#ifndef VMAMBA_KERNELS_CUDA_ROUTE_WALK_CUH
#define VMAMBA_KERNELS_CUDA_ROUTE_WALK_CUH

#include <cstdint>

#include "cuda/platform.cuh"
#include "cuda/scan_params.h"

namespace vmamba {

// Walks pixel numbers along the rows (routes 0 and 2) or the columns (1 and 3), forwards or back.
// One division when it is made, additions from then on.
class RouteWalk {
 public:
  __device__ RouteWalk(const ScanParams &params, int32_t route, int32_t position)
      : step_(route % 2 == 0 ? 1 : params.width),
        line_(route % 2 == 0 ? params.length : params.height),
        backward_(route >= 2) {
    const int32_t outer = position / line_;
    inner_ = position - outer * line_;
    pixel_ = inner_ * step_ + outer;
  }

  __device__ int32_t pixel() const { return pixel_; }

  __device__ void advance() {
    const int32_t wrap = (line_ - 1) * step_ - 1;  // from the end of a line to the next one's start
    if (backward_) {
      const bool at_edge = inner_ == 0;
      pixel_ += at_edge ? wrap : -step_;
      inner_ = at_edge ? line_ - 1 : inner_ - 1;
    } else {
      const bool at_edge = inner_ == line_ - 1;
      pixel_ += at_edge ? -wrap : step_;
      inner_ = at_edge ? 0 : inner_ + 1;
    }
  }

 private:
  int32_t step_, line_, inner_, pixel_;
  bool backward_;
};

}  // namespace vmamba

#endif  // VMAMBA_KERNELS_CUDA_ROUTE_WALK_CUH
