#include <algorithm>

#include "common/validate.h"

namespace vmamba {
namespace {

constexpr int64_t kMaxSide = VMAMBA_ROI_ALIGN_MAX_MAP_SIDE;

vmamba_status check_maps(const vmamba_roi_align_desc &desc) {
  static constexpr const char *kHeights[] = {"heights[0]", "heights[1]", "heights[2]",
                                             "heights[3]"};
  static constexpr const char *kWidths[] = {"widths[0]", "widths[1]", "widths[2]", "widths[3]"};
  for (int32_t level = 0; level < VMAMBA_ROI_ALIGN_LEVELS; ++level) {
    const int64_t height = desc.heights[level], width = desc.widths[level];
    vmamba_status status =
        check_sizes({{kHeights[level], height, 1, kMaxSide}, {kWidths[level], width, 1, kMaxSide}});
    if (status == VMAMBA_OK) {
      status = check_address_range("batch * channels * height * width of a map",
                                   {desc.channels, height, width, desc.batch});
    }
    if (status != VMAMBA_OK) return status;
  }
  return VMAMBA_OK;
}

}  // namespace

vmamba_status validate_call(const vmamba_roi_align_desc *desc, const vmamba_roi_align_args *args) {
  const vmamba_status status = vmamba_roi_align_validate(desc);
  if (status != VMAMBA_OK) return status;
  if (args == nullptr) return fail(VMAMBA_INVALID_ARGUMENT, "args is NULL");
  const bool empty = desc->batch == 0 || desc->boxes == 0;
  return check_pointers({{"maps[0]", args->maps[0], empty},
                         {"maps[1]", args->maps[1], empty},
                         {"maps[2]", args->maps[2], empty},
                         {"maps[3]", args->maps[3], empty},
                         {"boxes", args->boxes, empty},
                         {"y", args->y, empty}});
}

}  // namespace vmamba

extern "C" vmamba_status vmamba_roi_align_validate(const vmamba_roi_align_desc *desc) {
  using namespace vmamba;
  if (desc == nullptr) return fail(VMAMBA_INVALID_ARGUMENT, "desc is NULL");
  const int64_t size = desc->output_size;
  vmamba_status status = check_sizes({{"batch", desc->batch, 0},
                                      {"boxes", desc->boxes, 0},
                                      {"channels", desc->channels, 1},
                                      {"output_size", size, 1, VMAMBA_ROI_ALIGN_MAX_OUTPUT_SIZE}});
  if (status == VMAMBA_OK) status = check_dtypes(desc->in_dtype, desc->out_dtype);
  if (status == VMAMBA_OK) status = check_maps(*desc);
  if (status != VMAMBA_OK) return status;
  return check_address_range(
      "batch * boxes * channels * output_size^2",
      {std::max<int64_t>(desc->channels, 4), size * size, desc->boxes, desc->batch});
}
