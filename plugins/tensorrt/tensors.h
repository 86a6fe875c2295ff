// What TensorRT says of tensors, in the words of the ops' signatures.
#pragma once

#include <NvInferRuntime.h>

#include <cstdint>

#include "common/signature.h"

namespace vmamba::tensorrt {

inline Shape shape_of(const nvinfer1::Dims &dims) noexcept {
  return make_shape(dims.d, dims.nbDims);
}

inline Shape shape_of(const nvinfer1::DimsExprs &dims) noexcept {
  int64_t extents[nvinfer1::Dims::MAX_DIMS];
  for (int32_t i = 0; i < dims.nbDims; ++i) {
    extents[i] = dims.d[i]->isConstant() ? dims.d[i]->getConstantValue() : kUnknown;
  }
  return make_shape(extents, dims.nbDims);
}

// The vmamba_dtype of type, or 0.
inline int32_t dtype_of(nvinfer1::DataType type) noexcept {
  if (type == nvinfer1::DataType::kFLOAT) return VMAMBA_FLOAT32;
  if (type == nvinfer1::DataType::kHALF) return VMAMBA_FLOAT16;
  return type == nvinfer1::DataType::kBF16 ? VMAMBA_BFLOAT16 : 0;
}

inline nvinfer1::DataType data_type_of(int32_t dtype) noexcept {
  if (dtype == VMAMBA_FLOAT16) return nvinfer1::DataType::kHALF;
  return dtype == VMAMBA_BFLOAT16 ? nvinfer1::DataType::kBF16 : nvinfer1::DataType::kFLOAT;
}

}  // namespace vmamba::tensorrt
