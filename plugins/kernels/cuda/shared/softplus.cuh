// softplus in units of log 2, with one special-function instruction.
#pragma once

#include "cuda/shared/platform.cuh"

namespace vmamba {

constexpr float kLog2E = 1.4426950408889634f;
constexpr float kLn2 = 0.6931471805599453f;

// log2(1 + 2^v) = max(v, 0) + log2(1 + e), e = 2^-|v| in (0, 1]. The last term is e times a
// polynomial (least maximum of the relative error on [0, 1], by exchange): its relative error, and
// with it that of a small softplus, is 1.4e-6 with seven coefficients and 3e-7 with eight. The
// hardware's logarithm would lose all digits of a small softplus, and cost a second special
// function.
template <bool kSingle>
__device__ inline float softplus_log2(float v) {
  const float e = exp2_approx(-fabsf(v));
  float p;
  if (kSingle) {
    p = fmaf(e, -0.012319118715822697f, 0.06360664963722229f);
    p = fmaf(e, p, -0.15535016357898712f);
    p = fmaf(e, p, 0.2560085356235504f);
    p = fmaf(e, p, -0.35339441895484924f);
    p = fmaf(e, p, 0.48006361722946167f);
    p = fmaf(e, p, -0.7213100790977478f);
    p = fmaf(e, p, 1.4426947832107544f);
  } else {
    p = fmaf(e, 0.02040061354637146f, -0.09579582512378693f);
    p = fmaf(e, p, 0.21528260409832f);
    p = fmaf(e, p, -0.3390880227088928f);
    p = fmaf(e, p, 0.4776681363582611f);
    p = fmaf(e, p, -0.7211594581604004f);
    p = fmaf(e, p, 1.4426932334899902f);
  }
  return fmaf(e, p, fmaxf(v, 0.0f));
}

}  // namespace vmamba
