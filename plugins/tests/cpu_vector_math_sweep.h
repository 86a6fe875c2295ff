// Sweeps a build's softplus2 and exp2 over their range against float64; the including file names
// the build. Every bound here is the one that cpu/vector_math.h documents.
#include <cmath>
#include <cstdio>
#include <limits>

#include "cpu/vector_math.h"

namespace vmamba {
namespace VMAMBA_BUILD {

constexpr int kGroup = 4;

inline bool within(const char *name, double worst, double bound) {
  std::printf("%-28s worst %.3g, bound %.3g\n", name, worst, bound);
  return worst <= bound;
}

inline void softplus2_at(float v, float *result) {
  Vec values[kGroup];
  for (int k = 0; k < kGroup; ++k) values[k] = splat(v);
  softplus2(values);
  store(result, values[kGroup - 1]);
}

inline void exp2_at(float z, float *result) {
  Vec values[kGroup];
  for (int k = 0; k < kGroup; ++k) values[k] = splat(z);
  exp2(values);
  store(result, values[kGroup - 1]);
}

inline double exact_softplus2(float v) {
  const double log_of_2 = std::log(2.0);
  return std::fmax(v, 0.0f) + std::log1p(std::exp2(-std::fabs(static_cast<double>(v)))) / log_of_2;
}

// The last lane of the last vector against float64; all lanes must agree.
template <typename Function, typename Exact>
double worst_relative_error(Function function, Exact exact, double low, double high) {
  double worst = 0;
  float result[kLanes];
  for (int step = 0; step <= 400000; ++step) {
    const float at = static_cast<float>(low + (high - low) * step / 400000);
    function(at, result);
    for (const float lane : result) {
      const double error = std::fabs(lane / exact(at) - 1);
      worst = error > worst || std::isnan(error) ? error : worst;
    }
  }
  return worst;
}

inline bool special_values_hold() {
  const float infinity = std::numeric_limits<float>::infinity();
  const float nan = std::numeric_limits<float>::quiet_NaN();
  const struct {
    void (*function)(float, float *);
    float at, expected;
  } values[] = {{softplus2_at, infinity, infinity},
                {softplus2_at, -infinity, 0.0f},
                {softplus2_at, 1e30f, 1e30f},
                {softplus2_at, -1e30f, 0.0f},
                {softplus2_at, nan, nan},
                {exp2_at, -infinity, 0.0f},
                {exp2_at, infinity, infinity},
                {exp2_at, -1e30f, 0.0f},
                {exp2_at, 0.0f, 1.0f},
                {exp2_at, 1e30f, infinity},
                {exp2_at, nan, nan},
                {exp2_at, 10.0f, 1024.0f}};
  bool hold = true;
  for (const auto &value : values) {
    float result[kLanes];
    value.function(value.at, result);
    for (const float lane : result) {
      const bool same = std::isnan(value.expected) ? std::isnan(lane) : lane == value.expected;
      if (!same) std::printf("at %g: %g, expected %g\n", value.at, lane, value.expected);
      hold = hold && same;
    }
  }
  return hold;
}

inline bool sweep() {
  const auto exact_exp2 = [](float z) { return std::exp2(static_cast<double>(z)); };
  const auto worst_softplus2 = [](double low, double high) {
    return worst_relative_error(softplus2_at, exact_softplus2, low, high);
  };
  bool ok = within("softplus2 -126..-1", worst_softplus2(-126, -1), 3.0e-7);
  ok &= within("softplus2 -1..1", worst_softplus2(-1, 1), 3.0e-7);
  ok &= within("softplus2 1..200", worst_softplus2(1, 200), 3.0e-7);
  ok &= within("exp2 -125.9..-1", worst_relative_error(exp2_at, exact_exp2, -125.9, -1), 1.2e-7);
  ok &= within("exp2 -1..1", worst_relative_error(exp2_at, exact_exp2, -1, 1), 1.2e-7);
  ok &= within("exp2 1..127.4", worst_relative_error(exp2_at, exact_exp2, 1, 127.4), 1.2e-7);
  // A decay close to 1 is applied thousands of times: no bias beyond rounding.
  ok &= within("exp2 -1e-3..0", worst_relative_error(exp2_at, exact_exp2, -1e-3, 0), 3.1e-8);
  return special_values_hold() && ok;
}

}  // namespace VMAMBA_BUILD
}  // namespace vmamba
