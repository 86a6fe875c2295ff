#include "cuda/shared/passes.h"

namespace vmamba {
namespace {

constexpr int32_t kBackward = 2;  // from a direction to the one that comes back its way

// Of the routes that go there, each with the first one that comes back and is not taken yet.
Passes pairs_of(const vmamba_selective_scan_desc &desc) {
  Passes pairs{};
  bool taken[VMAMBA_MOST_ROUTES] = {};
  for (int32_t there = 0; there < desc.routes; ++there) {
    if (desc.direction[there] >= kBackward) continue;
    for (int32_t back = 0; back < desc.routes; ++back) {
      if (taken[back] || desc.direction[back] != desc.direction[there] + kBackward) continue;
      taken[back] = true;
      pairs.routes[pairs.count][0] = there;
      pairs.routes[pairs.count++][1] = back;
      break;
    }
  }
  pairs.paired = 2 * pairs.count == desc.routes;
  return pairs;
}

}  // namespace

Passes passes_of(const vmamba_selective_scan_desc &desc) {
  Passes passes = pairs_of(desc);
  if (passes.paired) return passes;
  passes.count = desc.routes;
  for (int32_t route = 0; route < desc.routes; ++route) passes.routes[route][0] = route;
  return passes;
}

}  // namespace vmamba
