#include <algorithm>

#include "common/validate.h"

namespace vmamba {
namespace {

constexpr int32_t kMaxState = 256;
constexpr int32_t kMaxRank = 256;

}  // namespace

vmamba_status validate_call(const vmamba_scan_desc *desc, const vmamba_scan_args *args) {
  const vmamba_status status = vmamba_scan_validate(desc);
  if (status != VMAMBA_OK) return status;
  if (args == nullptr) return fail(VMAMBA_INVALID_ARGUMENT, "args is NULL");
  const bool empty = desc->batch == 0;
  return check_pointers({{"x", args->x, empty},
                         {"proj", args->proj, empty},
                         {"dt_weight", args->dt_weight, false},
                         {"dt_bias", args->dt_bias, false},
                         {"a", args->a, false},
                         {"d", args->d, false},
                         {"y", args->y, empty}});
}

}  // namespace vmamba

extern "C" vmamba_status vmamba_scan_validate(const vmamba_scan_desc *desc) {
  using namespace vmamba;
  if (desc == nullptr) return fail(VMAMBA_INVALID_ARGUMENT, "desc is NULL");
  vmamba_status status = check_sizes({{"batch", desc->batch, 0},
                                      {"height", desc->height, 1},
                                      {"width", desc->width, 1},
                                      {"channels", desc->channels, 1},
                                      {"state", desc->state, 1, kMaxState},
                                      {"rank", desc->rank, 1, kMaxRank}});
  if (status == VMAMBA_OK) status = check_dtypes(desc->in_dtype, desc->out_dtype);
  if (status != VMAMBA_OK) return status;
  const int64_t features = VMAMBA_ROUTES * (desc->rank + 2 * static_cast<int64_t>(desc->state));
  return check_address_range(
      "batch * height * width * features",
      {std::max(desc->channels, features), desc->height, desc->width, desc->batch});
}
