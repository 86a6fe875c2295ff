#include "signature.h"

namespace vmamba::tensorrt {

using nvinfer1::DataType;

Shape shape_of(const nvinfer1::Dims &dims) noexcept { return make_shape(dims.d, dims.nbDims); }

Shape shape_of(const nvinfer1::DimsExprs &dims) noexcept {
  int64_t extents[nvinfer1::Dims::MAX_DIMS];
  for (int32_t i = 0; i < dims.nbDims; ++i) {
    extents[i] = dims.d[i]->isConstant() ? dims.d[i]->getConstantValue() : kUnknown;
  }
  return make_shape(extents, dims.nbDims);
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

}  // namespace vmamba::tensorrt
