// The few instructions of the GPU that C++ has no name for. The tests run the same kernels on the
// host over functions of these names.
#pragma once

#include <cuda_bf16.h>
#include <cuda_fp16.h>

#include <cstdint>

namespace vmamba {

constexpr unsigned kAllLanes = 0xffffffffu;

// 2^x, within 2 units in the last place; subnormal results are zero.
__device__ __forceinline__ float exp2_approx(float x) {
  float y;
  asm("ex2.approx.ftz.f32 %0, %1;" : "=f"(y) : "f"(x));
  return y;
}

// The value of the lane `lanes` below; a lane that has none below keeps its own.
__device__ __forceinline__ float shuffle_up(float value, int lanes) {
  return __shfl_up_sync(kAllLanes, value, static_cast<unsigned>(lanes));
}

__device__ __forceinline__ float shuffle_from(float value, int lane) {
  return __shfl_sync(kAllLanes, value, lane);
}

// Where `on`, value times factor. The compiler would compute it everywhere and copy what it keeps.
__device__ __forceinline__ void multiply_where(bool on, float &value, float factor) {
  asm("{\n\t.reg .pred on;\n\tsetp.ne.s32 on, %1, 0;\n\t@on mul.f32 %0, %0, %2;\n\t}"
      : "+f"(value)
      : "r"(on ? 1 : 0), "f"(factor));
}

// Where `on`, value plus a times b.
__device__ __forceinline__ void add_product_where(bool on, float &value, float a, float b) {
  asm("{\n\t.reg .pred on;\n\tsetp.ne.s32 on, %1, 0;\n\t@on fma.rn.f32 %0, %2, %3, %0;\n\t}"
      : "+f"(value)
      : "r"(on ? 1 : 0), "f"(a), "f"(b));
}

// A named barrier between two warps: the producer arrives and goes on, the consumer waits for it;
// or both wait. What one wrote before is visible to whom it let go on. Barriers kFirst..kLast of
// 1..15, one number for all lanes; 0 is the block's. Each is an instruction of its own: for a
// number in a register ptxas sets all 16 aside, and a multiprocessor holds fewer blocks.
template <int kFirst, int kLast>
__device__ __forceinline__ void pair_arrive(int barrier) {
  if constexpr (kFirst == kLast) {
    asm volatile("bar.arrive %0, 64;" ::"n"(kFirst) : "memory");
  } else {
    constexpr int kMiddle = (kFirst + kLast) / 2;
    barrier <= kMiddle ? pair_arrive<kFirst, kMiddle>(barrier)
                       : pair_arrive<kMiddle + 1, kLast>(barrier);
  }
}

template <int kFirst, int kLast>
__device__ __forceinline__ void pair_wait(int barrier) {
  if constexpr (kFirst == kLast) {
    asm volatile("bar.sync %0, 64;" ::"n"(kFirst) : "memory");
  } else {
    constexpr int kMiddle = (kFirst + kLast) / 2;
    barrier <= kMiddle ? pair_wait<kFirst, kMiddle>(barrier)
                       : pair_wait<kMiddle + 1, kLast>(barrier);
  }
}

// From 9.0 on a launch may begin while the one before it still runs, once all blocks of that have
// said so or ended; it then waits for the end of that before it touches what that may have written
// or read. Before 9.0 launches follow each other whole.
__device__ __forceinline__ void let_next_launch_begin() {
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 900
  asm volatile("griddepcontrol.launch_dependents;" ::: "memory");
#endif
}

__device__ __forceinline__ void await_launch_before() {
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 900
  asm volatile("griddepcontrol.wait;" ::: "memory");
#endif
}

#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ < 800
#define VMAMBA_TENSOR_CORES 0
#else
#define VMAMBA_TENSOR_CORES 1
#endif

#if VMAMBA_TENSOR_CORES
// d = a b + c over 16 rows, 16 or 8 terms, 8 columns; the fragments are those of PTX mma.sync.
__device__ __forceinline__ void mma_k16(float (&d)[4], const uint32_t (&a)[4],
                                        const uint32_t (&b)[2], const float (&c)[4], __half) {
  asm("mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32 "
      "{%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%10, %11, %12, %13};"
      : "=f"(d[0]), "=f"(d[1]), "=f"(d[2]), "=f"(d[3])
      : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]), "f"(c[0]), "f"(c[1]),
        "f"(c[2]), "f"(c[3]));
}

__device__ __forceinline__ void mma_k16(float (&d)[4], const uint32_t (&a)[4],
                                        const uint32_t (&b)[2], const float (&c)[4],
                                        __nv_bfloat16) {
  asm("mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 "
      "{%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%10, %11, %12, %13};"
      : "=f"(d[0]), "=f"(d[1]), "=f"(d[2]), "=f"(d[3])
      : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]), "f"(c[0]), "f"(c[1]),
        "f"(c[2]), "f"(c[3]));
}

__device__ __forceinline__ void mma_k8(float (&d)[4], const uint32_t (&a)[2], uint32_t b,
                                       const float (&c)[4], __half) {
  asm("mma.sync.aligned.m16n8k8.row.col.f32.f16.f16.f32 "
      "{%0, %1, %2, %3}, {%4, %5}, {%6}, {%7, %8, %9, %10};"
      : "=f"(d[0]), "=f"(d[1]), "=f"(d[2]), "=f"(d[3])
      : "r"(a[0]), "r"(a[1]), "r"(b), "f"(c[0]), "f"(c[1]), "f"(c[2]), "f"(c[3]));
}

__device__ __forceinline__ void mma_k8(float (&d)[4], const uint32_t (&a)[2], uint32_t b,
                                       const float (&c)[4], __nv_bfloat16) {
  asm("mma.sync.aligned.m16n8k8.row.col.f32.bf16.bf16.f32 "
      "{%0, %1, %2, %3}, {%4, %5}, {%6}, {%7, %8, %9, %10};"
      : "=f"(d[0]), "=f"(d[1]), "=f"(d[2]), "=f"(d[3])
      : "r"(a[0]), "r"(a[1]), "r"(b), "f"(c[0]), "f"(c[1]), "f"(c[2]), "f"(c[3]));
}
#endif

__device__ __forceinline__ unsigned char *dynamic_shared() {
  extern __shared__ __align__(16) unsigned char shared[];
  return shared;
}

}  // namespace vmamba
