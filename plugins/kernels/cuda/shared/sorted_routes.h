// The routes of a call in the order in which they are walked.
#pragma once

#include "vmamba/selective_scan.h"

namespace vmamba {

// By direction, so that those forward come first. In a pass every walk comes over each pixel once:
// where all routes have one that comes back their way, two walk toward each other, those of places
// k and passes + k; else each pass has one route.
struct SortedRoutes {
  int32_t routes[VMAMBA_MOST_ROUTES];  // by place
  int32_t forward;                     // how many of them go forward
  bool paired;
  int32_t passes;
};

SortedRoutes sort_routes(const vmamba_selective_scan_desc &desc);

}  // namespace vmamba
