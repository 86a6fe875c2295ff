#include "common/signature.h"

#include <algorithm>
#include <cstdarg>
#include <cstdio>

namespace vmamba {
namespace {

struct Text {
  char text[176];
};

// `count` numbers between brackets such as "()"; the first `kept` of them are at hand.
Text list_of(const int64_t *numbers, int64_t kept, int64_t count, const char *brackets) noexcept {
  Text out{{brackets[0]}};
  size_t used = 1;
  for (int64_t i = 0; i < std::min(kept, count); ++i) {
    used +=
        static_cast<size_t>(std::snprintf(out.text + used, sizeof(out.text) - used, "%s%lld",
                                          i == 0 ? "" : ", ", static_cast<long long>(numbers[i])));
  }
  std::snprintf(out.text + used, sizeof(out.text) - used, "%s%c", kept < count ? ", ..." : "",
                brackets[1]);
  return out;
}

Text describe(const Shape &shape) noexcept {
  return list_of(shape.extents, kMaxAxes, shape.rank, "()");
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

bool refuse_list(Problem *problem, const char *name, const AttributeValue &list,
                 const char *expected) noexcept {
  const Text values = list_of(list.values, kMaxAttributeValues, list.count, "[]");
  return refuse(problem, "%s is %s, expected %s", name, values.text, expected);
}

Shape make_shape(const int64_t *extents, int64_t rank) noexcept {
  Shape shape;
  shape.rank = static_cast<int32_t>(std::min<int64_t>(rank, INT32_MAX));
  std::copy_n(extents, std::min(shape.rank, kMaxAxes), shape.extents);
  return shape;
}

AttributeValue make_attribute(const int64_t *values, int64_t count) noexcept {
  AttributeValue attribute{};
  attribute.count = count;
  std::copy_n(values, std::clamp<int64_t>(count, 0, kMaxAttributeValues), attribute.values);
  return attribute;
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
  const AxesSpec(&forms)[kMaxForms] = specs[0].axes;
  const bool is_other = forms[1].text != nullptr && shapes[0].rank == forms[1].rank;
  if (!is_other && shapes[0].rank != forms[0].rank) {
    const bool has_other = forms[1].text != nullptr;
    return refuse(problem, "%s has shape %s, expected %s%s%s", specs[0].name,
                  describe(shapes[0]).text, forms[0].text, has_other ? " or " : "",
                  has_other ? forms[1].text : "");
  }
  for (int32_t i = 1; i < inputs; ++i) {
    const AxesSpec &axes = specs[i].axes_in(is_other ? 1 : 0);
    if (shapes[i].rank == axes.rank) continue;
    return refuse(problem, "%s has shape %s, expected %s", specs[i].name, describe(shapes[i]).text,
                  axes.text);
  }
  return true;
}

bool check_shapes(const InputSpec *specs, int32_t inputs, const Shape *shapes,
                  const Expected *expected, Problem *problem) noexcept {
  for (int32_t i = 0; i < inputs; ++i) {
    const Shape &one = expected[i].shape, &other = expected[i].other;
    const bool has_other = other.rank > 0;
    if (fits(shapes[i], one) || (has_other && fits(shapes[i], other))) continue;
    const bool unknown = has_unknown(shapes[i]) || has_unknown(one);
    return refuse(problem, "%s has shape %s, expected %s%s%s%s", specs[i].name,
                  describe(shapes[i]).text, describe(one).text, has_other ? " or " : "",
                  has_other ? describe(other).text : "", unknown ? " (-1: not known yet)" : "");
  }
  return true;
}

}  // namespace vmamba
