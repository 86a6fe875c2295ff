#include "signature.h"

#include <cstdio>

#include "logging.h"

namespace vmamba::tensorrt {
namespace {

using nvinfer1::DataType;

struct ShapeText {
  char text[160];
};

ShapeText describe(const Shape &shape) noexcept {
  ShapeText out{"["};
  size_t used = 1;
  for (int32_t i = 0; i < shape.rank && used + 24 < sizeof(out.text); ++i) {
    used += static_cast<size_t>(std::snprintf(out.text + used, sizeof(out.text) - used, "%s%lld",
                                              i == 0 ? "" : ",",
                                              static_cast<long long>(shape.extents[i])));
  }
  std::snprintf(out.text + used, sizeof(out.text) - used, "]");
  return out;
}

bool check_shape(int32_t input, const Shape &shape, const Shape &expected) noexcept {
  bool fits = shape.rank == expected.rank;
  for (int32_t i = 0; fits && i < shape.rank; ++i) {
    fits = shape.extents[i] == expected.extents[i] || shape.extents[i] == kUnknown ||
           expected.extents[i] == kUnknown;
  }
  if (!fits) {
    log_error("input %s has shape %s, expected %s (-1: not known yet)", kInputNames[input],
              describe(shape).text, describe(expected).text);
  }
  return fits;
}

const char *type_name(DataType type) noexcept {
  switch (type) {
    case DataType::kFLOAT:
      return "float32";
    case DataType::kHALF:
      return "float16";
    case DataType::kBF16:
      return "bfloat16";
    default:
      return "neither float32, float16 nor bfloat16";
  }
}

}  // namespace

Shape shape_of(const nvinfer1::Dims &dims) noexcept {
  Shape shape;
  shape.rank = dims.nbDims;
  for (int32_t i = 0; i < dims.nbDims; ++i) shape.extents[i] = dims.d[i];
  return shape;
}

Shape shape_of(const nvinfer1::DimsExprs &dims) noexcept {
  Shape shape;
  shape.rank = dims.nbDims;
  for (int32_t i = 0; i < dims.nbDims; ++i) {
    shape.extents[i] = dims.d[i]->isConstant() ? dims.d[i]->getConstantValue() : kUnknown;
  }
  return shape;
}

bool read_sizes(const Shape (&shapes)[kInputs], vmamba_scan_desc *desc) noexcept {
  const Shape &x = shapes[0], &dt_weight = shapes[2], &a = shapes[4];
  if (x.rank != 4 || dt_weight.rank != 3 || a.rank != 3) {
    log_error("x must be [B,H,W,D], dt_weight [4,R,D] and a [4,N,D]; got %s, %s and %s",
              describe(x).text, describe(dt_weight).text, describe(a).text);
    return false;
  }
  const int64_t rank = dt_weight.extents[1], state = a.extents[1], channels = x.extents[3];
  const bool known = rank != kUnknown && state != kUnknown;
  const int64_t features = known ? VMAMBA_ROUTES * (rank + 2 * state) : kUnknown;
  const Shape expected[kInputs] = {x,
                                   {4, {x.extents[0], x.extents[1], x.extents[2], features}},
                                   {3, {VMAMBA_ROUTES, rank, channels}},
                                   {2, {VMAMBA_ROUTES, channels}},
                                   {3, {VMAMBA_ROUTES, state, channels}},
                                   {2, {VMAMBA_ROUTES, channels}}};
  for (int32_t i = 0; i < kInputs; ++i) {
    if (!check_shape(i, shapes[i], expected[i])) return false;
  }
  desc->batch = x.extents[0];
  desc->height = x.extents[1];
  desc->width = x.extents[2];
  desc->channels = channels;
  desc->state = static_cast<int32_t>(state);
  desc->rank = static_cast<int32_t>(rank);
  return true;
}

int32_t dtype_of(DataType type) noexcept {
  switch (type) {
    case DataType::kFLOAT:
      return VMAMBA_FLOAT32;
    case DataType::kHALF:
      return VMAMBA_FLOAT16;
    case DataType::kBF16:
      return VMAMBA_BFLOAT16;
    default:
      return 0;
  }
}

DataType data_type_of(int32_t dtype) noexcept {
  switch (dtype) {
    case VMAMBA_FLOAT16:
      return DataType::kHALF;
    case VMAMBA_BFLOAT16:
      return DataType::kBF16;
    default:
      return DataType::kFLOAT;
  }
}

bool check_types(const DataType *inputs, int32_t out_dtype) noexcept {
  const int32_t in_dtype = dtype_of(inputs[0]);
  if (in_dtype == 0 || inputs[1] != inputs[0]) {
    log_error("x is %s and proj is %s, expected one of float32, float16, bfloat16 for both",
              type_name(inputs[0]), type_name(inputs[1]));
    return false;
  }
  for (int32_t i = 2; i < kInputs; ++i) {
    if (inputs[i] != DataType::kFLOAT) {
      log_error("%s is %s, expected float32", kInputNames[i], type_name(inputs[i]));
      return false;
    }
  }
  if (out_dtype != VMAMBA_FLOAT32 && out_dtype != in_dtype) {
    log_error("out_dtype is %d, expected 1 (float32) or that of x, %d", out_dtype, in_dtype);
    return false;
  }
  return true;
}

}  // namespace vmamba::tensorrt
