#include "cuda/shared/sorted_routes.h"

#include <algorithm>
#include <numeric>

namespace vmamba {
namespace {

constexpr int32_t kBackward = 2;  // from a direction to the one that comes back its way

}  // namespace

SortedRoutes sort_routes(const vmamba_selective_scan_desc &desc) {
  SortedRoutes sorted{};
  int32_t *const first = sorted.routes, *const last = first + desc.routes;
  const auto direction = [&](int32_t place) { return desc.direction[sorted.routes[place]]; };
  std::iota(first, last, 0);
  std::stable_sort(first, last, [&](int32_t one, int32_t other) {
    return desc.direction[one] < desc.direction[other];
  });
  while (sorted.forward < desc.routes && direction(sorted.forward) < kBackward) ++sorted.forward;
  sorted.paired = 2 * sorted.forward == desc.routes;
  for (int32_t k = 0; sorted.paired && k < sorted.forward; ++k) {
    sorted.paired = direction(k) + kBackward == direction(sorted.forward + k);
  }
  sorted.passes = sorted.paired ? sorted.forward : desc.routes;
  return sorted;
}

}  // namespace vmamba
