// Runs calls of the C interface over the emulated kernels, for sanitizers that want a whole
// program. usage: scan_program MULTIPROCESSORS SHARED_BYTES SEED (CALL_FILE Y_FILE)...
#include <algorithm>
#include <cstdio>
#include <cstdlib>

#include "device.h"
#include "support/call_file.h"
#include "support/device_memory.h"
#include "vmamba/selective_scan.h"

namespace {

using namespace vmamba::tests;

// Of y: those of x, but for the routes.
std::vector<int64_t> map_extents(const Call &call) {
  const auto &x = call.inputs[0].extents;
  return {x.end() - 4, x.end()};
}

vmamba_selective_scan_desc describe(const Call &call) {
  const std::vector<int64_t> map = map_extents(call);
  const auto &proj = call.inputs[1].extents, &dt_weight = call.inputs[2].extents;
  vmamba_selective_scan_desc desc{};
  desc.batch = map[0];
  desc.height = map[1];
  desc.width = map[2];
  desc.channels = map[3];
  desc.rank = static_cast<int32_t>(dt_weight[1]);
  desc.state = static_cast<int32_t>(call.inputs[4].extents[1]);
  const std::vector<int64_t> &routes = call.attributes[0];
  desc.routes = static_cast<int32_t>(routes.size());
  std::copy(routes.begin(), routes.end(), desc.direction);
  desc.x_per_route = proj.size() == 5 ? 1 : 0;
  desc.dt_features = proj.back() / (desc.x_per_route ? 1 : desc.routes) - 2 * desc.state;
  desc.in_dtype = call.inputs[0].dtype;
  desc.out_dtype = call.out_dtype();
  return desc;
}

void require_ok(vmamba_status status) {
  if (status == VMAMBA_OK) return;
  std::fprintf(stderr, "failed: %s\n", vmamba_last_error());
  std::exit(1);
}

void run(const char *call_path, const char *y_path) {
  const Call call = read_call(call_path, 2, 6);
  const vmamba_selective_scan_desc desc = describe(call);
  size_t workspace_bytes = 0;
  require_ok(vmamba_selective_scan_cuda_workspace(&desc, &workspace_bytes));
  const DeviceBuffer x(call.inputs[0].bytes), proj(call.inputs[1].bytes);
  const DeviceBuffer dt_weight(call.inputs[2].bytes), dt_bias(call.inputs[3].bytes);
  const DeviceBuffer a(call.inputs[4].bytes), d(call.inputs[5].bytes);
  const DeviceBuffer y(make_output(call.out_dtype(), map_extents(call)).bytes);
  const DeviceBuffer workspace(std::vector<char>(workspace_bytes, '\xff'));
  const auto parameter = [](const DeviceBuffer &buffer) {
    return static_cast<const float *>(buffer.get());
  };
  const vmamba_selective_scan_args args{
      x.get(),      proj.get(), parameter(dt_weight), parameter(dt_bias), parameter(a),
      parameter(d), y.get()};
  require_ok(vmamba_selective_scan_cuda(&desc, &args, workspace.get(), workspace_bytes, nullptr));
  write_bytes(y_path, y.read());
}

}  // namespace

int main(int count, char **arguments) {
  require(count >= 6 && count % 2 == 0,
          "usage: scan_program MULTIPROCESSORS SHARED_BYTES SEED ...");
  vmamba::emulation::Device &device = vmamba::emulation::device();
  device.limits.multiprocessors = std::atoi(arguments[1]);
  device.limits.shared_bytes_per_block = std::atoi(arguments[2]);
  device.seed = std::strtoull(arguments[3], nullptr, 10);
  for (int i = 4; i < count; i += 2) run(arguments[i], arguments[i + 1]);
  return 0;
}
