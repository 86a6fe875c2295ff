// TensorRT's types as those of the op's signature.
#ifndef VMAMBA_TENSORRT_SIGNATURE_H
#define VMAMBA_TENSORRT_SIGNATURE_H

#include <NvInferRuntime.h>

#include "common/signature.h"

namespace vmamba::tensorrt {

Shape shape_of(const nvinfer1::Dims &dims) noexcept;
Shape shape_of(const nvinfer1::DimsExprs &dims) noexcept;

// The vmamba_dtype of type, or 0.
int32_t dtype_of(nvinfer1::DataType type) noexcept;
nvinfer1::DataType data_type_of(int32_t dtype) noexcept;

}  // namespace vmamba::tensorrt

#endif  // VMAMBA_TENSORRT_SIGNATURE_H
