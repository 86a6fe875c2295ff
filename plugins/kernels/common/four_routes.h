// A call of vmamba::SelectiveScan2D as the call of vmamba::SelectiveScan that it is.
#pragma once

#include "vmamba/selective_scan.h"
#include "vmamba/selective_scan_2d.h"

namespace vmamba {

inline vmamba_selective_scan_desc four_routes(const vmamba_scan_desc &desc) {
  vmamba_selective_scan_desc general{};
  general.batch = desc.batch;
  general.height = desc.height;
  general.width = desc.width;
  general.channels = desc.channels;
  general.dt_features = desc.rank;
  general.state = desc.state;
  general.rank = desc.rank;
  general.routes = VMAMBA_ROUTES;
  for (int32_t route = 0; route < VMAMBA_ROUTES; ++route) general.direction[route] = route;
  general.in_dtype = desc.in_dtype;
  general.out_dtype = desc.out_dtype;
  return general;
}

inline vmamba_selective_scan_args four_routes(const vmamba_scan_args &args) {
  return {args.x, args.proj, args.dt_weight, args.dt_bias, args.a, args.d, args.y};
}

}  // namespace vmamba
