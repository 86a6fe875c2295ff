/* The C interface of vmamba::SelectiveScan2D, version 1. Plain C99; no framework, no CUDA header.
 *
 * Shapes (row-major, contiguous): x [B,H,W,D], proj [B,H,W,4*(R+2N)], dt_weight [4,R,D],
 * dt_bias [4,D], a [4,N,D], d [4,D], y [B,H,W,D]. Per pixel, proj holds for each route k = 0..3
 * the low-rank step dt (R values), then B (N), then C (N). x and proj share one dtype; y is float32
 * or that dtype; the four parameters are float32. State and merge are float32.
 *
 * Route 0 visits the pixels row by row, 1 column by column, 2 and 3 are their reverses:
 *     delta = softplus(dt . dt_weight[k] + dt_bias[k])
 *     h     = exp(delta * a[k]) * h + delta * B * x
 *     y    += C . h + d[k] * x
 * The full specification is docs/selective_scan_2d.md.
 */
#ifndef VMAMBA_SELECTIVE_SCAN_2D_H
#define VMAMBA_SELECTIVE_SCAN_2D_H

#include "vmamba/common.h"

#ifdef __cplusplus
extern "C" {
#endif

#define VMAMBA_ROUTES 4

typedef struct vmamba_scan_desc {
  int64_t batch;     /* B >= 0; 0 is a valid, empty call */
  int64_t height;    /* H >= 1 */
  int64_t width;     /* W >= 1 */
  int64_t channels;  /* D >= 1 */
  int32_t state;     /* N in 1..256 */
  int32_t rank;      /* R in 1..256 */
  int32_t in_dtype;  /* vmamba_dtype of x and proj */
  int32_t out_dtype; /* vmamba_dtype of y: VMAMBA_FLOAT32 or in_dtype */
} vmamba_scan_desc;

typedef struct vmamba_scan_args {
  const void *x;
  const void *proj;
  const float *dt_weight;
  const float *dt_bias;
  const float *a;
  const float *d;
  void *y;
} vmamba_scan_args;

/* VMAMBA_OK, or VMAMBA_INVALID_ARGUMENT with the reason in vmamba_last_error(). */
VMAMBA_API vmamba_status vmamba_scan_validate(const vmamba_scan_desc *desc);

/* CPU. executor NULL: this library's own threads (VMAMBA_NUM_THREADS, else the cores of the
 * process). The bits of y do not depend on the number of threads, nor on an image's place in the
 * batch. */
VMAMBA_API vmamba_status vmamba_scan_cpu(const vmamba_scan_desc *desc, const vmamba_scan_args *args,
                                         const vmamba_executor *executor);

/* CUDA. Pointers are device pointers, stream is a cudaStream_t. Nothing is allocated and nothing is
 * synchronised, so a call may be captured in a CUDA graph. workspace: vmamba_scan_cuda_workspace
 * bytes, 256-byte aligned, contents undefined before and after; its size does not depend on the GPU
 * and is enough for every smaller batch, height and width too. The bits of y do not depend on an
 * image's place in the batch; they may differ between batch sizes and between GPUs. */
VMAMBA_API vmamba_status vmamba_scan_cuda_workspace(const vmamba_scan_desc *desc, size_t *bytes);
VMAMBA_API vmamba_status vmamba_scan_cuda(const vmamba_scan_desc *desc,
                                          const vmamba_scan_args *args, void *workspace,
                                          size_t workspace_bytes, void *stream);

#ifdef __cplusplus
}
#endif

#endif /* VMAMBA_SELECTIVE_SCAN_2D_H */
