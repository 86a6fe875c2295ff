// Which routes of a call are walked at a time.
#pragma once

#include "vmamba/selective_scan.h"

namespace vmamba {

// Every walk of a pass comes over each pixel once. Where all routes have one that comes back their
// way, two walk toward each other: routes[pass] are the one forward and the one backward. Else each
// pass has one route, its first, of any direction.
struct Passes {
  int32_t count;
  bool paired;
  int32_t routes[VMAMBA_MOST_ROUTES][2];
};

Passes passes_of(const vmamba_selective_scan_desc &desc);

}  // namespace vmamba
