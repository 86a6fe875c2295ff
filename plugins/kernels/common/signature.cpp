#include "common/signature.h"

#include <algorithm>
#include <cstdarg>
#include <cstdio>

namespace vmamba {
namespace {

constexpr int32_t kRanks[kInputs] = {4, 4, 3, 2, 3, 2};
constexpr const char *kShapeTexts[kInputs] = {
    "[B, H, W, D]", "[B, H, W, 4 (R + 2 N)]", "[4, R, D]", "[4, D]", "[4, N, D]", "[4, D]"};

__attribute__((format(printf, 2, 3))) bool refuse(Problem *problem, const char *format,
                                                  ...) noexcept {
  va_list values;
  va_start(values, format);
  std::vsnprintf(problem->text, sizeof(problem->text), format, values);
  va_end(values);
  return false;
}

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

bool check_shape(int32_t input, const Shape &shape, const Shape &expected,
                 Problem *problem) noexcept {
  bool fits = true;
  for (int32_t i = 0; i < shape.rank; ++i) {
    fits = fits && (shape.extents[i] == expected.extents[i] || shape.extents[i] == kUnknown ||
                    expected.extents[i] == kUnknown);
  }
  if (fits) return true;
  const bool unknown = has_unknown(shape) || has_unknown(expected);
  return refuse(problem, "%s has shape %s, expected %s%s", kInputNames[input], describe(shape).text,
                describe(expected).text, unknown ? " (-1: not known yet)" : "");
}

}  // namespace

Shape make_shape(const int64_t *extents, int64_t rank) noexcept {
  Shape shape;
  shape.rank = static_cast<int32_t>(std::min<int64_t>(rank, INT32_MAX));
  std::copy_n(extents, std::min(shape.rank, kMaxAxes), shape.extents);
  return shape;
}

bool is_dtype(int64_t dtype) noexcept {
  return dtype == VMAMBA_FLOAT32 || dtype == VMAMBA_FLOAT16 || dtype == VMAMBA_BFLOAT16;
}

bool check_dtypes(const int32_t (&dtypes)[kInputs], int64_t out_dtype, Problem *problem) noexcept {
  const int32_t in_dtype = dtypes[0];
  if (!is_dtype(in_dtype)) {
    return refuse(problem, "x is %s, expected float32, float16 or bfloat16", name_of(in_dtype));
  }
  for (int32_t i = 1; i < kInputs; ++i) {
    const int32_t expected = i == 1 ? in_dtype : static_cast<int32_t>(VMAMBA_FLOAT32);
    if (dtypes[i] != expected) {
      return refuse(problem, "%s is %s, expected %s", kInputNames[i], name_of(dtypes[i]),
                    name_of(expected));
    }
  }
  if (out_dtype == VMAMBA_FLOAT32 || out_dtype == in_dtype) return true;
  const auto given = static_cast<long long>(out_dtype);
  if (in_dtype == VMAMBA_FLOAT32) {
    return refuse(problem, "out_dtype is %lld, expected 1 (float32)", given);
  }
  return refuse(problem, "out_dtype is %lld, expected 1 (float32) or %d (%s)", given, in_dtype,
                name_of(in_dtype));
}

bool read_sizes(const Shape (&shapes)[kInputs], vmamba_scan_desc *desc, Problem *problem) noexcept {
  for (int32_t i = 0; i < kInputs; ++i) {
    if (shapes[i].rank != kRanks[i]) {
      return refuse(problem, "%s has shape %s, expected %s", kInputNames[i],
                    describe(shapes[i]).text, kShapeTexts[i]);
    }
  }
  const Shape &x = shapes[0];
  const int64_t rank = shapes[2].extents[1], state = shapes[4].extents[1], channels = x.extents[3];
  // What vmamba_scan_validate refuses must fit its fields.
  const bool narrow = rank == static_cast<int32_t>(rank) && state == static_cast<int32_t>(state);
  if (!narrow) return refuse(problem, "dt_weight or a has an extent of more than 31 bits");
  const bool known = rank != kUnknown && state != kUnknown;
  const int64_t features = known ? VMAMBA_ROUTES * (rank + 2 * state) : kUnknown;
  const Shape expected[kInputs] = {x,
                                   {4, {x.extents[0], x.extents[1], x.extents[2], features}},
                                   {3, {VMAMBA_ROUTES, rank, channels}},
                                   {2, {VMAMBA_ROUTES, channels}},
                                   {3, {VMAMBA_ROUTES, state, channels}},
                                   {2, {VMAMBA_ROUTES, channels}}};
  for (int32_t i = 0; i < kInputs; ++i) {
    if (!check_shape(i, shapes[i], expected[i], problem)) return false;
  }
  desc->batch = x.extents[0];
  desc->height = x.extents[1];
  desc->width = x.extents[2];
  desc->channels = channels;
  desc->state = static_cast<int32_t>(state);
  desc->rank = static_cast<int32_t>(rank);
  return true;
}

bool describe_call(const Inputs &inputs, int64_t out_dtype, vmamba_scan_desc *desc,
                   Problem *problem) noexcept {
  if (!check_dtypes(inputs.dtypes, out_dtype, problem)) return false;
  desc->in_dtype = inputs.dtypes[0];
  desc->out_dtype = static_cast<int32_t>(out_dtype);
  return read_sizes(inputs.shapes, desc, problem);
}

vmamba_scan_args make_args(const void *const (&inputs)[kInputs], void *y) noexcept {
  const auto parameter = [&inputs](int32_t i) { return static_cast<const float *>(inputs[i]); };
  return {inputs[0], inputs[1], parameter(2), parameter(3), parameter(4), parameter(5), y};
}

}  // namespace vmamba
