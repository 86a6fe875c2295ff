// The node's shapes and dtypes, checked against each other: TensorRT's types in, the C interface's
// out.
#ifndef VMAMBA_TENSORRT_SIGNATURE_H
#define VMAMBA_TENSORRT_SIGNATURE_H

#include <NvInferRuntime.h>

#include "vmamba/selective_scan_2d.h"

namespace vmamba::tensorrt {

constexpr int32_t kInputs = 6;
constexpr int32_t kOutputs = 1;
constexpr const char *kInputNames[kInputs] = {"x", "proj", "dt_weight", "dt_bias", "a", "d"};

// Extents of one input; kUnknown where the builder does not know one yet.
constexpr int64_t kUnknown = -1;
struct Shape {
  int32_t rank = 0;
  int64_t extents[nvinfer1::Dims::MAX_DIMS] = {};
};

Shape shape_of(const nvinfer1::Dims &dims) noexcept;
Shape shape_of(const nvinfer1::DimsExprs &dims) noexcept;

// Fills the sizes of desc (not its dtypes); false, with the reason logged, where two known extents
// disagree or a rank is wrong.
bool read_sizes(const Shape (&shapes)[kInputs], vmamba_scan_desc *desc) noexcept;

// The vmamba_dtype of type, or 0.
int32_t dtype_of(nvinfer1::DataType type) noexcept;
nvinfer1::DataType data_type_of(int32_t dtype) noexcept;

// False, with the reason logged, where the six input types do not go together with out_dtype.
bool check_types(const nvinfer1::DataType *inputs, int32_t out_dtype) noexcept;

}  // namespace vmamba::tensorrt

#endif  // VMAMBA_TENSORRT_SIGNATURE_H
