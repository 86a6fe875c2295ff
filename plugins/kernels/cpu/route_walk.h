// The order in which a route visits the pixels of a map.
#ifndef VMAMBA_KERNELS_CPU_ROUTE_WALK_H
#define VMAMBA_KERNELS_CPU_ROUTE_WALK_H

#include <stdint.h>

namespace vmamba {
namespace VMAMBA_BUILD {

// Route 0 is row-major, 1 column-major, 2 and 3 are their reverses.
class RouteWalk {
 public:
  RouteWalk(int route, int64_t height, int64_t width)
      : inner_size_(route % 2 == 0 ? width : height),
        inner_step_(route % 2 == 0 ? 1 : width),
        outer_step_(route % 2 == 0 ? width : 1),
        sign_(route < 2 ? 1 : -1),
        first_(route < 2 ? 0 : height * width - 1) {}

  // The row-major number of the next pixel.
  int64_t next() {
    const int64_t pixel = first_ + sign_ * (outer_ * outer_step_ + inner_ * inner_step_);
    if (++inner_ == inner_size_) {
      inner_ = 0;
      ++outer_;
    }
    return pixel;
  }

 private:
  int64_t inner_size_, inner_step_, outer_step_, sign_, first_;
  int64_t inner_ = 0, outer_ = 0;
};

}  // namespace VMAMBA_BUILD
}  // namespace vmamba

#endif  // VMAMBA_KERNELS_CPU_ROUTE_WALK_H
