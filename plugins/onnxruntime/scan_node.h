// One call of the op: ONNX Runtime's values as the structs of the C interface.
#pragma once

#include <onnxruntime_c_api.h>

#include <cstdint>

#include "vmamba/selective_scan_2d.h"

namespace vmamba::ort {

// The state of a node; its lifetime is the session's.
struct ScanNode {
  int32_t out_dtype;
};

struct ScanCall {
  vmamba_scan_desc desc;
  vmamba_scan_args args;
  const OrtValue *output;
};

// Reads the inputs, checks their shapes and dtypes, and allocates the output.
ScanCall prepare_call(const ScanNode &node, OrtKernelContext *context);

// Throws with vmamba_last_error's text unless status is VMAMBA_OK.
void check_scan(vmamba_status status);

void compute_cpu(const ScanNode &node, OrtKernelContext *context);
void compute_cuda(const ScanNode &node, OrtKernelContext *context);

}  // namespace vmamba::ort
