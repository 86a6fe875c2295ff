/* The C interface of vmamba::MultiLevelRoiAlign, version 1. Plain C99; no framework, no CUDA
 * header.
 *
 * Shapes (row-major, contiguous): maps[i] [B,C,Hi,Wi] of stride 4, 8, 16 and 32; boxes [B,K,4]
 * float32, x1, y1, x2, y2 in pixels of the network's input; y [B,K,C,S,S]. The maps share one
 * dtype; y is float32 or that dtype. Arithmetic is float32.
 *
 * Decisions are in float32, each operation rounded by itself, in this order (no fused
 * multiply-add): w = x2 - x1, h = y2 - y1; the box counts where 0 < w <= 32768 and 0 < h <= 32768,
 * and y is 0 for a box that does not (so for one with a NaN or an infinity) scale = sqrt(w * h) /
 * 56 + 1e-6; level 0 below 2, 1 below 4, 2 below 8, else 3 start = x1 / stride - 0.5, bin = ((x2 /
 * stride - 0.5) - start) / S, samples = ceil(bin) position of sample i of bin j = (start + j * bin)
 * + ((i + 0.5) * bin) / samples and the same with y. A sample with a position below -1 or above the
 * map's size counts as 0; else the position is clamped to 0..size-1 and the sample is bilinear. A
 * bin is the mean of its samples (0 where it has none). Positions and weights of a box are separate
 * in x and y. What a map holds outside the pixels that a box's samples touch does not reach its
 * result; a NaN or an infinity within them may reach every bin of that box and channel. The full
 * specification is docs/multi_level_roi_align.md.
 */
#ifndef VMAMBA_MULTI_LEVEL_ROI_ALIGN_H
#define VMAMBA_MULTI_LEVEL_ROI_ALIGN_H

#include "vmamba/common.h"

#ifdef __cplusplus
extern "C" {
#endif

#define VMAMBA_ROI_ALIGN_LEVELS 4
#define VMAMBA_ROI_ALIGN_FIRST_STRIDE 4 /* of level 0; each next one is twice that */
#define VMAMBA_ROI_ALIGN_CANONICAL_SIZE 56
#define VMAMBA_ROI_ALIGN_LEVEL_EPSILON 1e-6f
#define VMAMBA_ROI_ALIGN_MAX_BOX_SIDE 32768
#define VMAMBA_ROI_ALIGN_MAX_OUTPUT_SIZE 64
#define VMAMBA_ROI_ALIGN_MAX_MAP_SIDE 65536

typedef struct vmamba_roi_align_desc {
  int64_t batch;                            /* B >= 0; 0 is a valid, empty call */
  int64_t boxes;                            /* K >= 0; 0 is a valid, empty call */
  int64_t channels;                         /* C >= 1 */
  int64_t heights[VMAMBA_ROI_ALIGN_LEVELS]; /* Hi in 1..65536 */
  int64_t widths[VMAMBA_ROI_ALIGN_LEVELS];  /* Wi in 1..65536 */
  int32_t output_size;                      /* S in 1..64 */
  int32_t in_dtype;                         /* vmamba_dtype of the maps */
  int32_t out_dtype;                        /* vmamba_dtype of y: VMAMBA_FLOAT32 or in_dtype */
} vmamba_roi_align_desc;

typedef struct vmamba_roi_align_args {
  const void *maps[VMAMBA_ROI_ALIGN_LEVELS];
  const float *boxes;
  void *y;
} vmamba_roi_align_args;

/* VMAMBA_OK, or VMAMBA_INVALID_ARGUMENT with the reason in vmamba_last_error(). */
VMAMBA_API vmamba_status vmamba_roi_align_validate(const vmamba_roi_align_desc *desc);

/* CPU. executor NULL: this library's own threads (VMAMBA_NUM_THREADS, else the cores of the
 * process). The bits of a box's features depend on neither the number of threads nor the other
 * boxes and images. */
VMAMBA_API vmamba_status vmamba_roi_align_cpu(const vmamba_roi_align_desc *desc,
                                              const vmamba_roi_align_args *args,
                                              const vmamba_executor *executor);

/* CUDA. Pointers are device pointers, stream is a cudaStream_t. Nothing is allocated and nothing is
 * synchronised, so a call may be captured in a CUDA graph; no workspace is needed. The bits of a
 * box's features do not depend on the other boxes and images. */
VMAMBA_API vmamba_status vmamba_roi_align_cuda(const vmamba_roi_align_desc *desc,
                                               const vmamba_roi_align_args *args, void *stream);

#ifdef __cplusplus
}
#endif

#endif /* VMAMBA_MULTI_LEVEL_ROI_ALIGN_H */
