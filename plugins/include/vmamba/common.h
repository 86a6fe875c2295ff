/* What the C interfaces of all ops share. Plain C99; no framework, no CUDA header. */
#ifndef VMAMBA_COMMON_H
#define VMAMBA_COMMON_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#if defined(_WIN32)
#define VMAMBA_API __declspec(dllexport)
#else
#define VMAMBA_API __attribute__((visibility("default")))
#endif

#define VMAMBA_ABI_VERSION 1

typedef enum vmamba_status {
  VMAMBA_OK = 0,
  VMAMBA_INVALID_ARGUMENT = 1, /* a size, dtype or pointer is out of its range */
  VMAMBA_UNSUPPORTED = 2,      /* valid, but not on this machine or in this build */
  VMAMBA_OUT_OF_MEMORY = 3,
  VMAMBA_RUNTIME_ERROR = 4 /* the CUDA runtime reported an error */
} vmamba_status;

/* The numbers of ONNX TensorProto.DataType. */
typedef enum vmamba_dtype {
  VMAMBA_FLOAT32 = 1,
  VMAMBA_FLOAT16 = 10,
  VMAMBA_BFLOAT16 = 16
} vmamba_dtype;

/* Runs task(arg, i) for i in 0..count-1, in any order, on any threads, and returns when all ended.
 * parallel_for NULL: this library's own threads, at most `threads` of them. */
typedef void (*vmamba_task)(void *arg, int64_t index);
typedef struct vmamba_executor {
  void *context;
  int32_t threads; /* how many tasks may run at a time, at least 1 */
  void (*parallel_for)(void *context, int64_t count, vmamba_task task, void *arg);
} vmamba_executor;

VMAMBA_API uint32_t vmamba_abi_version(void);

/* The text of the calling thread's last error; never NULL, "" when there was none. */
VMAMBA_API const char *vmamba_last_error(void);

/* What the CPU kernels run: "avx512", "avx2" or "portable" on x86-64, "neon" or "portable" on
 * aarch64. VMAMBA_CPU_ISA in the environment asks for one; what the machine lacks is refused with
 * VMAMBA_UNSUPPORTED. */
VMAMBA_API const char *vmamba_cpu_isa(void);

#ifdef __cplusplus
}
#endif

#endif /* VMAMBA_COMMON_H */
