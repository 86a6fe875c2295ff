// vmamba_scan_cpu and vmamba_scan_validate on any description: what the header allows is computed,
// and equals a plain loop in double; everything else is refused with a text.
#include "vmamba/selective_scan_2d.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <vector>

#include "bytes.h"
#include "harness.h"
#include "tensors.h"

namespace vmamba::tests {
namespace {

constexpr int kTensors = 6;  // x, proj, dt_weight, dt_bias, a, d
constexpr int64_t kMostWork =
    256;  // more than the lanes of a vector need, little enough for many calls
constexpr int kMostStates = 256;

bool is_valid(const vmamba_scan_desc &desc) {
  if (!are_dtypes(desc.in_dtype, desc.out_dtype)) return false;
  if (desc.batch < 0 || desc.height < 1 || desc.width < 1 || desc.channels < 1) return false;
  if (desc.state < 1 || desc.state > kMostStates || desc.rank < 1 || desc.rank > 256) return false;
  const int64_t features = VMAMBA_ROUTES * (desc.rank + 2 * desc.state);
  const int64_t factors[] = {desc.height, desc.width, desc.batch, 4};
  __int128 bytes = std::max(desc.channels, features);
  for (const int64_t factor : factors) {
    bytes *= factor;
    if (bytes > INT64_MAX) return false;
  }
  return true;
}

// Whether a call is quick and fits in memory.
bool is_small(const vmamba_scan_desc &desc) {
  __int128 work = desc.rank + desc.state;
  for (const int64_t factor :
       {std::max<int64_t>(desc.batch, 1), desc.height, desc.width, desc.channels}) {
    work *= factor;
    if (work > kMostWork) return false;
  }
  return true;
}

struct Call {
  vmamba_scan_desc desc;
  std::vector<Memory> tensors;
  bool plain;  // values that a comparison makes sense for, else any bits

  int32_t dtype(int tensor) const { return tensor < 2 ? desc.in_dtype : VMAMBA_FLOAT32; }
  double at(int tensor, int64_t index) const {
    const size_t bytes = bytes_of(dtype(tensor));
    return load(tensors[tensor].data.get() + static_cast<size_t>(index) * bytes, dtype(tensor));
  }
  vmamba_scan_args args(Memory &y) const {
    const auto pointer = [this](int i) { return tensors[i].data.get(); };
    const auto parameter = [&](int i) { return reinterpret_cast<const float *>(pointer(i)); };
    return {pointer(0),   pointer(1),   parameter(2), parameter(3),
            parameter(4), parameter(5), y.data.get()};
  }
};

Call make_call(const vmamba_scan_desc &desc, Bytes &bytes) {
  const int64_t pixels = desc.batch * desc.height * desc.width,
                features = desc.rank + 2 * desc.state;
  const int64_t counts[kTensors] = {pixels * desc.channels,         pixels * 4 * features,
                                    4 * desc.rank * desc.channels,  4 * desc.channels,
                                    4 * desc.state * desc.channels, 4 * desc.channels};
  Call call{desc, {}, bytes.choice(4) != 0};
  for (int tensor = 0; tensor < kTensors; ++tensor) {
    const int32_t dtype = call.dtype(tensor);
    const size_t size = bytes_of(dtype);
    Memory &memory = call.tensors.emplace_back(static_cast<size_t>(counts[tensor]) * size);
    // A few bytes fill a tensor of any size, each number another one.
    const auto seed = bytes.take<uint32_t>();
    for (size_t i = 0; i < memory.size / size; ++i) {
      const uint32_t mixed = (static_cast<uint32_t>(i) + 1) * 2654435761u ^ seed;
      const float value = plain_value(static_cast<uint8_t>(mixed >> 24));
      if (call.plain) {
        store(memory.data.get() + i * size, dtype, tensor == 4 ? -std::abs(value) : value);
      } else {
        std::memcpy(memory.data.get() + i * size, &mixed, size);
      }
    }
  }
  return call;
}

// One route of one channel, added to y and, in magnitudes, to scale.
void scan_route(const Call &call, int64_t image, int64_t channel, int route, std::vector<double> *y,
                std::vector<double> *scale) {
  const vmamba_scan_desc &desc = call.desc;
  const int64_t pixels = desc.height * desc.width, channels = desc.channels;
  const int32_t rank = desc.rank, state = desc.state, features = rank + 2 * state;
  std::array<double, kMostStates> h, h_scale;  // no memory that the sanitizer has to watch
  std::fill_n(h.begin(), state, 0.0);
  std::fill_n(h_scale.begin(), state, 0.0);
  for (int64_t step = 0; step < pixels; ++step) {
    const int64_t forward = route < 2 ? step : pixels - 1 - step;
    const int64_t pixel =
        route % 2 == 0 ? forward : forward % desc.height * desc.width + forward / desc.height;
    const int64_t at = image * pixels + pixel, row = (at * 4 + route) * features;
    double raw = call.at(3, route * channels + channel);
    for (int32_t r = 0; r < rank; ++r) {
      raw += call.at(1, row + r) * call.at(2, (route * rank + r) * channels + channel);
    }
    const double delta = raw > 30 ? raw : std::log1p(std::exp(raw));
    const double x = call.at(0, at * channels + channel);
    const double skip = call.at(5, route * channels + channel) * x;
    double sum = skip, sum_scale = std::abs(skip);
    for (int32_t n = 0; n < state; ++n) {
      const double decay = std::exp(delta * call.at(4, (route * state + n) * channels + channel));
      const double driven = delta * call.at(1, row + rank + n) * x;
      const double c = call.at(1, row + rank + state + n);
      double &here = h[static_cast<size_t>(n)], &size = h_scale[static_cast<size_t>(n)];
      here = decay * here + driven;
      size = decay * size + std::abs(driven);
      sum += c * here;
      sum_scale += std::abs(c) * size;
    }
    (*y)[static_cast<size_t>(at * channels + channel)] += sum;
    (*scale)[static_cast<size_t>(at * channels + channel)] += sum_scale;
  }
}

void compare(const Call &call, const Memory &y) {
  const vmamba_scan_desc &desc = call.desc;
  const size_t size = bytes_of(desc.out_dtype), count = y.size / size;
  std::vector<double> expected(count), scale(count);
  for (int64_t image = 0; image < desc.batch; ++image) {
    for (int64_t channel = 0; channel < desc.channels; ++channel) {
      for (int route = 0; route < VMAMBA_ROUTES; ++route) {
        scan_route(call, image, channel, route, &expected, &scale);
      }
    }
  }
  const double unit = desc.out_dtype == VMAMBA_FLOAT32   ? 0
                      : desc.out_dtype == VMAMBA_FLOAT16 ? 0x1p-11
                                                         : 0x1p-8;
  for (size_t i = 0; i < count; ++i) {
    const double found = load(y.data.get() + i * size, desc.out_dtype);
    const double allowed = 1e-4 * (1e-2 + scale[i]) + 1.01 * unit * std::abs(expected[i]);
    const bool beyond = desc.out_dtype == VMAMBA_FLOAT16 && std::abs(expected[i]) > 65000;
    promise(beyond || std::abs(found - expected[i]) <= allowed, "y is that of the plain loop");
  }
}

void run_valid(const vmamba_scan_desc &desc, Bytes &bytes) {
  const Call call = make_call(desc, bytes);
  const auto elements = static_cast<size_t>(desc.batch * desc.height * desc.width * desc.channels);
  Memory y(elements * bytes_of(desc.out_dtype)), again(y.size);
  const vmamba_scan_args args = call.args(y), args_again = call.args(again);
  const vmamba_executor own{nullptr, 1 + bytes.choice(3), nullptr};
  const vmamba_executor backwards{nullptr, 1 + bytes.choice(9), run_backwards};
  const bool threads = bytes.choice(32) == 0;
  promise(vmamba_scan_cpu(&desc, &args, threads ? &own : &backwards) == VMAMBA_OK,
          "it is computed");
  promise(vmamba_scan_cpu(&desc, &args_again, &backwards) == VMAMBA_OK, "and again");
  promise(equal_bits(desc.out_dtype, y, again), "equal bits in any order");
  if (call.plain) compare(call, y);
  vmamba_scan_args without = args;
  const void **const pointers[] = {&without.x, &without.proj};
  *pointers[bytes.choice(2)] = nullptr;
  if (desc.batch > 0) refuse(vmamba_scan_cpu(&desc, &without, nullptr));
  const vmamba_executor none{nullptr, -bytes.choice(2), nullptr};
  if (desc.batch > 0) refuse(vmamba_scan_cpu(&desc, &args, &none));
}

vmamba_scan_desc take_desc(Bytes &bytes) {
  vmamba_scan_desc desc{};
  desc.batch = bytes.extent();
  desc.height = bytes.extent();
  desc.width = bytes.extent();
  desc.channels = bytes.extent();
  // More than a vector of lanes, now and then.
  if (desc.channels > 0 && desc.channels < 9) desc.channels *= bytes.choice(4) == 0 ? 9 : 1;
  desc.state = static_cast<int32_t>(bytes.extent());
  desc.rank = static_cast<int32_t>(bytes.extent());
  desc.in_dtype = take_dtype(bytes);
  desc.out_dtype = bytes.choice(2) == 0 ? VMAMBA_FLOAT32 : take_dtype(bytes);
  return desc;
}

}  // namespace

int run_input(const uint8_t *data, size_t size) {
  Bytes bytes(data, size);
  const vmamba_scan_desc desc = take_desc(bytes);
  const Interface<vmamba_scan_desc, vmamba_scan_args> op{vmamba_scan_validate, vmamba_scan_cpu};
  const bool valid = is_valid(desc);
  run_described(op, desc, valid, valid && is_small(desc), [&] { run_valid(desc, bytes); });
  return 0;
}

}  // namespace vmamba::tests
