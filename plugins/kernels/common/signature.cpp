#include "common/signature.h"

#include <algorithm>
#include <cstdarg>
#include <cstdio>

namespace vmamba {
namespace {

struct Text {
  char text[176];
};

Text describe(const Shape &shape) noexcept {
  Text out{"("};
  size_t used = 1;
  const int32_t kept = std::min(shape.rank, kMaxAxes);
  for (int32_t i = 0; i < kept; ++i) {
    used += static_cast<size_t>(std::snprintf(out.text + used, sizeof(out.text) - used, "%s%lld",
                                              i == 0 ? "" : ", ",
                                              static_cast<long long>(shape.extents[i])));
  }
  std::snprintf(out.text + used, sizeof(out.text) - used, kept < shape.rank ? ", ...)" : ")");
  return out;
}

const char *name_of(int32_t dtype) noexcept {
  if (dtype == VMAMBA_FLOAT32) return "float32";
  if (dtype == VMAMBA_FLOAT16) return "float16";
  if (dtype == VMAMBA_BFLOAT16) return "bfloat16";
  return dtype == 11 ? "float64" : "of another type";
}

bool has_unknown(const Shape &shape) noexcept {
  return std::count(shape.extents, shape.extents + shape.rank, kUnknown) > 0;
}

bool fits(const Shape &shape, const Shape &expected) noexcept {
  for (int32_t i = 0; i < shape.rank; ++i) {
    const int64_t one = shape.extents[i], other = expected.extents[i];
    if (one != other && one != kUnknown && other != kUnknown) return false;
  }
  return true;
}

}  // namespace

bool refuse(Problem *problem, const char *format, ...) noexcept {
  va_list values;
  va_start(values, format);
  std::vsnprintf(problem->text, sizeof(problem->text), format, values);
  va_end(values);
  return false;
}

Shape make_shape(const int64_t *extents, int64_t rank) noexcept {
  Shape shape;
  shape.rank = static_cast<int32_t>(std::min<int64_t>(rank, INT32_MAX));
  std::copy_n(extents, std::min(shape.rank, kMaxAxes), shape.extents);
  return shape;
}

bool is_dtype(int64_t dtype) noexcept {
  return dtype == VMAMBA_FLOAT32 || dtype == VMAMBA_FLOAT16 || dtype == VMAMBA_BFLOAT16;
}

bool check_out_dtype(int64_t out_dtype, Problem *problem) noexcept {
  if (is_dtype(out_dtype)) return true;
  return refuse(problem, "out_dtype is %lld, expected 1 (float32), 10 (float16) or 16 (bfloat16)",
                static_cast<long long>(out_dtype));
}

bool check_dtypes(const InputSpec *specs, int32_t inputs, const int32_t *dtypes, int64_t out_dtype,
                  Problem *problem) noexcept {
  const int32_t t = dtypes[0];
  if (!is_dtype(t)) {
    return refuse(problem, "%s is %s, expected float32, float16 or bfloat16", specs[0].name,
                  name_of(t));
  }
  for (int32_t i = 1; i < inputs; ++i) {
    const int32_t expected = specs[i].is_t ? t : static_cast<int32_t>(VMAMBA_FLOAT32);
    if (dtypes[i] != expected) {
      return refuse(problem, "%s is %s, expected %s", specs[i].name, name_of(dtypes[i]),
                    name_of(expected));
    }
  }
  if (out_dtype == VMAMBA_FLOAT32 || out_dtype == t) return true;
  const auto given = static_cast<long long>(out_dtype);
  if (t == VMAMBA_FLOAT32) {
    return refuse(problem, "out_dtype is %lld, expected 1 (float32)", given);
  }
  return refuse(problem, "out_dtype is %lld, expected 1 (float32) or %d (%s)", given, t,
                name_of(t));
}

bool check_ranks(const InputSpec *specs, int32_t inputs, const Shape *shapes,
                 Problem *problem) noexcept {
  for (int32_t i = 0; i < inputs; ++i) {
    if (shapes[i].rank == specs[i].rank) continue;
    return refuse(problem, "%s has shape %s, expected %s", specs[i].name, describe(shapes[i]).text,
                  specs[i].shape);
  }
  return true;
}

bool check_shapes(const InputSpec *specs, int32_t inputs, const Shape *shapes,
                  const Shape *expected, Problem *problem) noexcept {
  for (int32_t i = 0; i < inputs; ++i) {
    if (fits(shapes[i], expected[i])) continue;
    const bool unknown = has_unknown(shapes[i]) || has_unknown(expected[i]);
    return refuse(problem, "%s has shape %s, expected %s%s", specs[i].name,
                  describe(shapes[i]).text, describe(expected[i]).text,
                  unknown ? " (-1: not known yet)" : "");
  }
  return true;
}

}  // namespace vmamba
