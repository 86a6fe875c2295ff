/* The C interface of vmamba::SelectiveScan, version 1. Plain C99; no framework, no CUDA header.
 *
 * The selective scan along K routes over a map; a sequence is a map of one row. SelectiveScan2D is
 * its case of all four routes with one x for them.
 *
 * Shapes (row-major, contiguous), F = dt_features + 2N:
 *     one x for all routes     x [B,H,W,D],   proj [B,H,W,K*F], route by route
 *     an x for each route      x [K,B,H,W,D], proj [K,B,H,W,F]
 *     dt_weight [K,R,D], dt_bias [K,D], a [K,N,D], d [K,D], y [B,H,W,D]
 * proj holds for each pixel and route the step dt (dt_features values), then B (N), then C (N).
 * dt_features is R, the low-rank step that dt_weight projects to the channels; or, with R = 1, it
 * is D: a step for each channel, which dt_weight scales. x and proj share one dtype; y is float32
 * or that dtype; the four parameters are float32. State and merge are float32.
 *
 * Route k visits the pixels by direction[k]: 0 row by row, 1 column by column, 2 and 3 are their
 * reverses, and adds to y
 *     delta = softplus(dt . dt_weight[k] + dt_bias[k])
 *     h     = exp(delta * a[k]) * h + delta * B * x
 *     y    += C . h + d[k] * x
 * The full specification is docs/selective_scan.md.
 */
#ifndef VMAMBA_SELECTIVE_SCAN_H
#define VMAMBA_SELECTIVE_SCAN_H

#include "vmamba/common.h"

#ifdef __cplusplus
extern "C" {
#endif

#define VMAMBA_MOST_ROUTES 4

typedef struct vmamba_selective_scan_desc {
  int64_t batch;       /* B >= 0; 0 is a valid, empty call */
  int64_t height;      /* H >= 1 */
  int64_t width;       /* W >= 1 */
  int64_t channels;    /* D >= 1 */
  int64_t dt_features; /* R, or D where R is 1 */
  int32_t state;       /* N in 1..256 */
  int32_t rank;        /* R in 1..256 */
  int32_t routes;      /* K in 1..VMAMBA_MOST_ROUTES */
  /* Of each route, 0 to 3, in any order and again; what lies behind K is not read. */
  int32_t direction[VMAMBA_MOST_ROUTES];
  int32_t x_per_route; /* 1: an x for each route; 0: one for all */
  int32_t in_dtype;    /* vmamba_dtype of x and proj */
  int32_t out_dtype;   /* vmamba_dtype of y: VMAMBA_FLOAT32 or in_dtype */
} vmamba_selective_scan_desc;

typedef struct vmamba_selective_scan_args {
  const void *x;
  const void *proj;
  const float *dt_weight;
  const float *dt_bias;
  const float *a;
  const float *d;
  void *y;
} vmamba_selective_scan_args;

/* VMAMBA_OK, or VMAMBA_INVALID_ARGUMENT with the reason in vmamba_last_error(). */
VMAMBA_API vmamba_status vmamba_selective_scan_validate(const vmamba_selective_scan_desc *desc);

/* CPU; see vmamba_scan_cpu. */
VMAMBA_API vmamba_status vmamba_selective_scan_cpu(const vmamba_selective_scan_desc *desc,
                                                   const vmamba_selective_scan_args *args,
                                                   const vmamba_executor *executor);

/* CUDA; see vmamba_scan_cuda. */
VMAMBA_API vmamba_status
vmamba_selective_scan_cuda_workspace(const vmamba_selective_scan_desc *desc, size_t *bytes);
VMAMBA_API vmamba_status vmamba_selective_scan_cuda(const vmamba_selective_scan_desc *desc,
                                                    const vmamba_selective_scan_args *args,
                                                    void *workspace, size_t workspace_bytes,
                                                    void *stream);

#ifdef __cplusplus
}
#endif

#endif /* VMAMBA_SELECTIVE_SCAN_H */
