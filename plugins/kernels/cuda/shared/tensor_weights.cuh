// When the dt projection takes the tensor cores, and float weights as their operands.
#pragma once

#include <type_traits>

#include "cuda/shared/element.cuh"
#include "cuda/shared/launch_plan.h"

namespace vmamba {

// Of a half type, where two features can be read at a time. Plain and Tensor: the two projections.
template <typename T, bool kAligned, typename Plain, typename Tensor>
using ProjectionFor =
    std::conditional_t<VMAMBA_TENSOR_CORES && kAligned && !std::is_same_v<T, float>, Tensor, Plain>;

// A weight is the sum of two halves or of three bfloat16, which keep 22 and 24 bits of it: only the
// inputs' own rounding counts.
template <typename T>
constexpr int kWeightParts = std::is_same_v<T, __nv_bfloat16> ? kBfloat16Parts : kHalfParts;

// Two weights in their parts, the largest first. A weight beyond the type's range becomes infinite
// and y not a number, which cannot pass unseen.
template <typename T>
__device__ inline void split_weights(float first, float second,
                                     uint32_t (&parts)[kWeightParts<T>]) {
#pragma unroll
  for (uint32_t &part : parts) {
    T whole[2];
    from_float(first, &whole[0]);
    from_float(second, &whole[1]);
    first -= to_float(whole[0]);
    second -= to_float(whole[1]);
    part = bits(whole[0]) | bits(whole[1]) << 16;
  }
}

}  // namespace vmamba
