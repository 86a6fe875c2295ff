// When the dt projection takes the tensor cores, and float weights as their operands.
#ifndef VMAMBA_KERNELS_CUDA_TENSOR_WEIGHTS_CUH
#define VMAMBA_KERNELS_CUDA_TENSOR_WEIGHTS_CUH

#include <type_traits>

#include "cuda/element.cuh"

namespace vmamba {

// Of a half type, where two features can be read at a time. Plain and Tensor: the two projections.
template <typename T, bool kAligned, typename Plain, typename Tensor>
using ProjectionFor =
    std::conditional_t<VMAMBA_TENSOR_CORES && kAligned && !std::is_same_v<T, float>, Tensor, Plain>;

// Two weights, each as the sum of two halves, which keep 22 bits of it (16 in bfloat16): only the
// inputs' own rounding counts. A weight beyond the type's range becomes infinite and y not a
// number, which cannot pass unseen.
template <typename T>
__device__ inline void split_weights(float first, float second, T, uint32_t *high, uint32_t *low) {
  T whole[2], rest[2];
  from_float(first, &whole[0]);
  from_float(second, &whole[1]);
  from_float(first - to_float(whole[0]), &rest[0]);
  from_float(second - to_float(whole[1]), &rest[1]);
  *high = bits(whole[0]) | bits(whole[1]) << 16;
  *low = bits(rest[0]) | bits(rest[1]) << 16;
}

}  // namespace vmamba

#endif  // VMAMBA_KERNELS_CUDA_TENSOR_WEIGHTS_CUH
