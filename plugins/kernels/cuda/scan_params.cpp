#include "cuda/scan_params.h"

#include "common/last_error.h"

namespace vmamba {
namespace {

constexpr int64_t kMaxLength = INT32_MAX / 2;
constexpr int64_t kMaxChannels = INT32_MAX / 2;
constexpr int64_t kSectionAlignment = 256;

int64_t ceil_div(int64_t value, int64_t divisor) { return (value + divisor - 1) / divisor; }

// Bytes of a section of floats, rounded up; -1 on overflow.
int64_t section_bytes(int64_t batch, int64_t per_image, int64_t channels) {
  int64_t bytes = 0;
  if (__builtin_mul_overflow(batch, per_image, &bytes) ||
      __builtin_mul_overflow(bytes, channels, &bytes) ||
      __builtin_mul_overflow(bytes, static_cast<int64_t>(sizeof(float)), &bytes) ||
      __builtin_add_overflow(bytes, kSectionAlignment - 1, &bytes)) {
    return -1;
  }
  return bytes / kSectionAlignment * kSectionAlignment;
}

}  // namespace

vmamba_status layout_workspace(const vmamba_scan_desc &desc, WorkspaceLayout *layout) {
  int64_t length = 0;
  if (__builtin_mul_overflow(desc.height, desc.width, &length) || length > kMaxLength) {
    return fail(VMAMBA_UNSUPPORTED, "height * width is over %lld",
                static_cast<long long>(kMaxLength));
  }
  if (desc.channels > kMaxChannels) {
    return fail(VMAMBA_UNSUPPORTED, "channels is over %lld", static_cast<long long>(kMaxChannels));
  }
  const int64_t chunks = ceil_div(length, chunk_length(desc));
  const int64_t per_route = chunks > 1 ? VMAMBA_ROUTES * chunks : 0;
  const int64_t map_pixels = desc.out_dtype == VMAMBA_FLOAT32 ? 0 : length;
  const int64_t sections[] = {section_bytes(desc.batch, per_route * desc.state, desc.channels),
                              section_bytes(desc.batch, per_route, desc.channels),
                              section_bytes(desc.batch, map_pixels, desc.channels)};
  size_t *const offsets[] = {&layout->chunk_states, &layout->delta_sums, &layout->map};
  int64_t total = 0;
  for (int i = 0; i < 3; ++i) {
    *offsets[i] = static_cast<size_t>(total);
    if (sections[i] < 0 || __builtin_add_overflow(total, sections[i], &total)) {
      return fail(VMAMBA_UNSUPPORTED, "the workspace is over 63 bits");
    }
  }
  layout->bytes = static_cast<size_t>(total);
  return VMAMBA_OK;
}

ScanParams make_params(const vmamba_scan_desc &desc, const vmamba_scan_args &args,
                       const WorkspaceLayout &layout, void *workspace) {
  char *const base = static_cast<char *>(workspace);
  // A call that needs no workspace may pass NULL, to which no offset may be added.
  const auto section = [base](size_t offset) {
    return base == nullptr ? nullptr : reinterpret_cast<float *>(base + offset);
  };
  ScanParams params{};
  params.args = args;
  params.chunk_states = section(layout.chunk_states);
  params.delta_sums = section(layout.delta_sums);
  params.rounds_output = desc.out_dtype != VMAMBA_FLOAT32;
  params.map = params.rounds_output ? section(layout.map) : static_cast<float *>(args.y);
  params.batch = desc.batch;
  params.height = static_cast<int32_t>(desc.height);
  params.width = static_cast<int32_t>(desc.width);
  params.length = static_cast<int32_t>(desc.height * desc.width);
  params.channels = static_cast<int32_t>(desc.channels);
  params.state = desc.state;
  params.rank = desc.rank;
  params.chunk_length = chunk_length(desc);
  params.chunks = static_cast<int32_t>(ceil_div(params.length, params.chunk_length));
  params.state_groups = static_cast<int32_t>(ceil_div(desc.state, kGroupStates));
  params.channel_blocks = static_cast<int32_t>(ceil_div(desc.channels, kMaxThreads));
  return params;
}

}  // namespace vmamba
