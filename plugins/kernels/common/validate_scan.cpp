#include <algorithm>

#include "common/four_routes.h"
#include "common/validate.h"

namespace vmamba {
namespace {

constexpr int32_t kMaxState = 256;
constexpr int32_t kMaxRank = 256;

vmamba_status check_directions(const vmamba_selective_scan_desc &desc) {
  for (int32_t route = 0; route < desc.routes; ++route) {
    const int32_t direction = desc.direction[route];
    if (direction < 0 || direction > 3) {
      return fail(VMAMBA_INVALID_ARGUMENT, "direction[%d] is %d, expected 0 to 3", route,
                  direction);
    }
  }
  return VMAMBA_OK;
}

vmamba_status check_step(const vmamba_selective_scan_desc &desc) {
  if (desc.dt_features == desc.rank) return VMAMBA_OK;
  if (desc.rank == 1 && desc.dt_features == desc.channels) return VMAMBA_OK;
  return fail(VMAMBA_INVALID_ARGUMENT,
              "dt_features is %lld, expected rank (%d), or with rank 1 channels (%lld)",
              static_cast<long long>(desc.dt_features), desc.rank,
              static_cast<long long>(desc.channels));
}

vmamba_status check_tensors(const vmamba_selective_scan_args &args, bool empty) {
  return check_pointers({{"x", args.x, empty},
                         {"proj", args.proj, empty},
                         {"dt_weight", args.dt_weight, false},
                         {"dt_bias", args.dt_bias, false},
                         {"a", args.a, false},
                         {"d", args.d, false},
                         {"y", args.y, empty}});
}

}  // namespace

vmamba_status validate_call(const vmamba_selective_scan_desc *desc,
                            const vmamba_selective_scan_args *args) {
  const vmamba_status status = vmamba_selective_scan_validate(desc);
  if (status != VMAMBA_OK) return status;
  if (args == nullptr) return fail(VMAMBA_INVALID_ARGUMENT, "args is NULL");
  return check_tensors(*args, desc->batch == 0);
}

vmamba_status validate_call(const vmamba_scan_desc *desc, const vmamba_scan_args *args) {
  const vmamba_status status = vmamba_scan_validate(desc);
  if (status != VMAMBA_OK) return status;
  if (args == nullptr) return fail(VMAMBA_INVALID_ARGUMENT, "args is NULL");
  return check_tensors(four_routes(*args), desc->batch == 0);
}

}  // namespace vmamba

extern "C" vmamba_status vmamba_selective_scan_validate(const vmamba_selective_scan_desc *desc) {
  using namespace vmamba;
  if (desc == nullptr) return fail(VMAMBA_INVALID_ARGUMENT, "desc is NULL");
  vmamba_status status = check_sizes({{"batch", desc->batch, 0},
                                      {"height", desc->height, 1},
                                      {"width", desc->width, 1},
                                      {"channels", desc->channels, 1},
                                      {"state", desc->state, 1, kMaxState},
                                      {"rank", desc->rank, 1, kMaxRank},
                                      {"dt_features", desc->dt_features, 1},
                                      {"x_per_route", desc->x_per_route, 0, 1},
                                      {"routes", desc->routes, 1, VMAMBA_MOST_ROUTES}});
  if (status == VMAMBA_OK) status = check_directions(*desc);
  if (status == VMAMBA_OK) status = check_step(*desc);
  if (status == VMAMBA_OK) status = check_dtypes(desc->in_dtype, desc->out_dtype);
  if (status != VMAMBA_OK) return status;
  const int64_t states = 2 * static_cast<int64_t>(desc->state);
  const int64_t features = std::min(desc->dt_features, INT64_MAX - states) + states;
  status = check_address_range("routes * batch * height * width * (dt_features + 2 * state)",
                               {desc->routes, features, desc->height, desc->width, desc->batch});
  if (status != VMAMBA_OK) return status;
  const int64_t maps = desc->x_per_route == 1 ? desc->routes : 1;
  return check_address_range("batch * height * width * channels of all x",
                             {maps, desc->channels, desc->height, desc->width, desc->batch});
}

extern "C" vmamba_status vmamba_scan_validate(const vmamba_scan_desc *desc) {
  using namespace vmamba;
  if (desc == nullptr) return fail(VMAMBA_INVALID_ARGUMENT, "desc is NULL");
  const vmamba_selective_scan_desc general = four_routes(*desc);
  return vmamba_selective_scan_validate(&general);
}
