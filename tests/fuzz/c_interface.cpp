// The scans of the C interface and their checks on any description: what the headers allow is
// computed, and equals a plain loop in double; everything else is refused with a text.
#include <algorithm>
#include <array>
#include <cmath>
#include <numeric>
#include <vector>

#include "bytes.h"
#include "harness.h"
#include "tensors.h"
#include "vmamba/selective_scan.h"
#include "vmamba/selective_scan_2d.h"

namespace vmamba::tests {
namespace {

constexpr int kTensors = 6;  // x, proj, dt_weight, dt_bias, a, d
constexpr int64_t kMostWork =
    256;  // more than the lanes of a vector need, little enough for many calls
constexpr int kMostStates = 256;

using Desc = vmamba_selective_scan_desc;
using Args = vmamba_selective_scan_args;
using Scan = Interface<Desc, Args>;

vmamba_scan_desc first_op(const Desc &desc) {
  return {desc.batch, desc.height, desc.width,    desc.channels,
          desc.state, desc.rank,   desc.in_dtype, desc.out_dtype};
}

vmamba_status validate_first_op(const Desc *desc) {
  const vmamba_scan_desc own = first_op(*desc);
  return vmamba_scan_validate(&own);
}

vmamba_status run_first_op(const Desc *desc, const Args *args, const vmamba_executor *executor) {
  const vmamba_scan_desc own = first_op(*desc);
  if (args == nullptr) return vmamba_scan_cpu(&own, nullptr, executor);
  const vmamba_scan_args same{args->x, args->proj, args->dt_weight, args->dt_bias,
                              args->a, args->d,    args->y};
  return vmamba_scan_cpu(&own, &same, executor);
}

constexpr Scan kFirstOp = {validate_first_op, run_first_op};
constexpr Scan kGeneral = {vmamba_selective_scan_validate, vmamba_selective_scan_cpu};

bool are_routes(const Desc &desc) {
  if (desc.routes < 1 || desc.routes > VMAMBA_MOST_ROUTES) return false;
  return std::all_of(desc.direction, desc.direction + desc.routes,
                     [](int32_t direction) { return 0 <= direction && direction <= 3; });
}

// Whether a tensor of float32 has an address; the batch, which may be 0, is the last factor.
bool fits(__int128 first, std::initializer_list<int64_t> others) {
  __int128 elements = first;
  for (const int64_t factor : others) {
    if (elements > INT64_MAX) return false;
    elements *= factor;
  }
  return elements <= INT64_MAX / 4;
}

bool is_valid(const Desc &desc) {
  if (!are_dtypes(desc.in_dtype, desc.out_dtype) || !are_routes(desc)) return false;
  if (desc.batch < 0 || desc.height < 1 || desc.width < 1 || desc.channels < 1) return false;
  if (desc.state < 1 || desc.state > kMostStates || desc.rank < 1 || desc.rank > 256) return false;
  if (desc.x_per_route != 0 && desc.x_per_route != 1) return false;
  const bool channel_steps = desc.rank == 1 && desc.dt_features == desc.channels;
  if (desc.dt_features != desc.rank && !channel_steps) return false;
  const int64_t maps = desc.x_per_route == 1 ? desc.routes : 1;
  const __int128 features = static_cast<__int128>(desc.dt_features) + 2 * desc.state;
  return fits(desc.channels, {maps, desc.height, desc.width, desc.batch}) &&
         fits(features, {desc.routes, desc.height, desc.width, desc.batch});
}

// Whether a call is quick and fits in memory.
bool is_small(const Desc &desc) {
  __int128 work = desc.rank + desc.state;
  for (const int64_t factor :
       {std::max<int64_t>(desc.batch, 1), desc.height, desc.width, desc.channels}) {
    work *= factor;
    if (work > kMostWork) return false;
  }
  return true;
}

struct Call {
  Desc desc;
  std::vector<Memory> tensors;
  bool plain;  // values that a comparison makes sense for, else any bits

  int32_t dtype(int tensor) const { return tensor < 2 ? desc.in_dtype : VMAMBA_FLOAT32; }
  double at(int tensor, int64_t index) const {
    const size_t bytes = bytes_of(dtype(tensor));
    return load(tensors[tensor].data.get() + static_cast<size_t>(index) * bytes, dtype(tensor));
  }
  Args args(Memory &y) const {
    const auto pointer = [this](int i) { return tensors[i].data.get(); };
    const auto parameter = [&](int i) { return reinterpret_cast<const float *>(pointer(i)); };
    return {pointer(0),   pointer(1),   parameter(2), parameter(3),
            parameter(4), parameter(5), y.data.get()};
  }
};

Call make_call(const Desc &desc, Bytes &bytes) {
  const int64_t pixels = desc.batch * desc.height * desc.width, routes = desc.routes,
                features = desc.dt_features + 2 * desc.state,
                maps = desc.x_per_route == 1 ? routes : 1;
  const int64_t counts[kTensors] = {maps * pixels * desc.channels,       routes * pixels * features,
                                    routes * desc.rank * desc.channels,  routes * desc.channels,
                                    routes * desc.state * desc.channels, routes * desc.channels};
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
  const Desc &desc = call.desc;
  const bool own_x = desc.x_per_route == 1, channel_steps = desc.dt_features != desc.rank;
  const int64_t pixels = desc.height * desc.width, channels = desc.channels;
  const int64_t all_pixels = desc.batch * pixels, features = desc.dt_features + 2 * desc.state;
  const int32_t rank = desc.rank, state = desc.state, direction = desc.direction[route];
  std::array<double, kMostStates> h, h_scale;  // no memory that the sanitizer has to watch
  std::fill_n(h.begin(), state, 0.0);
  std::fill_n(h_scale.begin(), state, 0.0);
  for (int64_t step = 0; step < pixels; ++step) {
    const int64_t forward = direction < 2 ? step : pixels - 1 - step;
    const int64_t pixel =
        direction % 2 == 0 ? forward : forward % desc.height * desc.width + forward / desc.height;
    const int64_t at = image * pixels + pixel;
    const int64_t row = (own_x ? route * all_pixels + at : at * desc.routes + route) * features;
    const int64_t b_at = row + desc.dt_features, c_at = b_at + state;
    double raw = call.at(3, route * channels + channel);
    for (int32_t r = 0; r < rank; ++r) {
      const int64_t dt_at = row + (channel_steps ? channel : r);
      raw += call.at(1, dt_at) * call.at(2, (route * rank + r) * channels + channel);
    }
    const double delta = raw > 30 ? raw : std::log1p(std::exp(raw));
    const double x = call.at(0, ((own_x ? route * all_pixels : 0) + at) * channels + channel);
    const double skip = call.at(5, route * channels + channel) * x;
    double sum = skip, sum_scale = std::abs(skip);
    for (int32_t n = 0; n < state; ++n) {
      const double decay = std::exp(delta * call.at(4, (route * state + n) * channels + channel));
      const double driven = delta * call.at(1, b_at + n) * x;
      const double c = call.at(1, c_at + n);
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
  const Desc &desc = call.desc;
  const size_t size = bytes_of(desc.out_dtype), count = y.size / size;
  std::vector<double> expected(count), scale(count);
  for (int64_t image = 0; image < desc.batch; ++image) {
    for (int64_t channel = 0; channel < desc.channels; ++channel) {
      for (int route = 0; route < desc.routes; ++route) {
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

void run_valid(const Scan &op, const Desc &desc, Bytes &bytes) {
  const Call call = make_call(desc, bytes);
  const auto elements = static_cast<size_t>(desc.batch * desc.height * desc.width * desc.channels);
  Memory y(elements * bytes_of(desc.out_dtype)), again(y.size);
  const Args args = call.args(y), args_again = call.args(again);
  const vmamba_executor own{nullptr, 1 + bytes.choice(3), nullptr};
  const vmamba_executor backwards{nullptr, 1 + bytes.choice(9), run_backwards};
  const bool threads = bytes.choice(32) == 0;
  promise(op.run(&desc, &args, threads ? &own : &backwards) == VMAMBA_OK, "it is computed");
  promise(op.run(&desc, &args_again, &backwards) == VMAMBA_OK, "and again");
  promise(equal_bits(desc.out_dtype, y, again), "equal bits in any order");
  if (call.plain) compare(call, y);
  Args without = args;
  const void **const pointers[] = {&without.x, &without.proj};
  *pointers[bytes.choice(2)] = nullptr;
  if (desc.batch > 0) refuse(op.run(&desc, &without, nullptr));
  const vmamba_executor none{nullptr, -bytes.choice(2), nullptr};
  if (desc.batch > 0) refuse(op.run(&desc, &args, &none));
}

// All four routes, one x and the low-rank step.
Desc take_desc(Bytes &bytes) {
  Desc desc{};
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
  desc.dt_features = desc.rank;
  desc.routes = VMAMBA_ROUTES;
  std::iota(desc.direction, desc.direction + VMAMBA_ROUTES, 0);
  return desc;
}

// Makes another form of it: one that there is, or, now and then, anything.
void change_form(Desc *desc, int32_t form, Bytes &bytes) {
  desc->routes = 1 + form % VMAMBA_MOST_ROUTES;
  for (int32_t &direction : desc->direction) direction = bytes.choice(4);
  desc->x_per_route = form / 4 % 2;
  if (form / 8 % 2 == 1) {
    desc->rank = 1;
    desc->dt_features = desc->channels;
  }
  if (form < 192) return;
  switch (bytes.choice(4)) {
    case 0:
      desc->routes = static_cast<int32_t>(bytes.extent());
      break;
    case 1:
      desc->direction[bytes.choice(VMAMBA_MOST_ROUTES)] = static_cast<int32_t>(bytes.extent());
      break;
    case 2:
      desc->x_per_route = bytes.take<int32_t>();
      break;
    default:
      desc->dt_features = bytes.extent();
      break;
  }
}

}  // namespace

// The last byte chooses the op and the form: what comes before means the same for all. 0 is
// SelectiveScan2D.
int run_input(const uint8_t *data, size_t size) {
  if (size == 0) return 0;
  Bytes bytes(data, size - 1);
  Desc desc = take_desc(bytes);
  const int32_t form = data[size - 1];
  if (form > 0) change_form(&desc, form, bytes);
  const Scan &op = form == 0 ? kFirstOp : kGeneral;
  const bool valid = is_valid(desc);
  run_described(op, desc, valid, valid && is_small(desc), [&] { run_valid(op, desc, bytes); });
  return 0;
}

}  // namespace vmamba::tests
