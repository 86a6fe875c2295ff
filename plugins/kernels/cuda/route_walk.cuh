// The order in which a route visits the pixels.
#ifndef VMAMBA_KERNELS_CUDA_ROUTE_WALK_CUH
#define VMAMBA_KERNELS_CUDA_ROUTE_WALK_CUH

#include <cstdint>

#include "cuda/platform.cuh"
#include "cuda/scan_params.h"

namespace vmamba {

// Walks the pixels of a route: one division when it is made (by multiplication), additions from
// then on. A slot is a pixel's place in the map.
class RouteWalk {
 public:
  // position: in the order of the lines, which a backward route goes down.
  __device__ RouteWalk(const LineOrder &order, int32_t position) : order_(order) {
    const int32_t outer = order.lines_before(position);
    inner_ = position - outer * order.line;
    pixel_ = inner_ * order.pixel_inner + outer * order.pixel_outer;
    slot_ = inner_ * order.slot_inner + outer * order.slot_outer;
  }

  __device__ int32_t pixel() const { return pixel_; }
  __device__ int32_t slot() const { return slot_; }

  // Without a choice between two constants, which would become loads that wait for the comparison.
  __device__ void advance() {
    const int32_t wraps = inner_ == order_.edge ? 1 : 0;
    inner_ += order_.turn + wraps * order_.place_wrap;
    pixel_ += order_.pixel_step + wraps * order_.pixel_wrap;
    slot_ += order_.slot_step + wraps * order_.slot_wrap;
  }

 private:
  const LineOrder &order_;
  int32_t inner_, pixel_, slot_;
};

}  // namespace vmamba

#endif  // VMAMBA_KERNELS_CUDA_ROUTE_WALK_CUH
