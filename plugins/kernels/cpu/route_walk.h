// The order in which a route visits the pixels of a map.
#ifndef VMAMBA_KERNELS_CPU_ROUTE_WALK_H
#define VMAMBA_KERNELS_CPU_ROUTE_WALK_H

#include <stdint.h>

namespace vmamba {
namespace VMAMBA_BUILD {

// Direction 0 is row-major, 1 column-major, 2 and 3 are their reverses.
class RouteWalk {
 public:
  RouteWalk(int direction, int64_t height, int64_t width) {
    const bool rows = direction % 2 == 0;
    const int64_t sign = direction < 2 ? 1 : -1;
    line_ = rows ? width : height;
    lines_left_ = rows ? height : width;
    step_ = sign * (rows ? 1 : width);
    to_next_line_ = sign * (rows ? 1 : 1 - (height - 1) * width);
    pixel_ = direction < 2 ? 0 : height * width - 1;
    line_left_ = line_;
  }

  // The row-major number of the next pixel; after the last one, the last one again.
  int64_t next() {
    const int64_t pixel = pixel_;
    if (--line_left_ > 0) {
      pixel_ += step_;
    } else if (--lines_left_ > 0) {
      pixel_ += to_next_line_;
      line_left_ = line_;
    }
    return pixel;
  }

 private:
  int64_t line_, step_, to_next_line_, pixel_, line_left_, lines_left_;
};

}  // namespace VMAMBA_BUILD
}  // namespace vmamba

#endif  // VMAMBA_KERNELS_CPU_ROUTE_WALK_H
