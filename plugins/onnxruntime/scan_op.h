// The op as ONNX Runtime sees it: one table of functions for each execution provider.
#pragma once

#include <onnxruntime_c_api.h>

namespace vmamba::ort {

const OrtCustomOp *cpu_scan_op();
#ifdef VMAMBA_ORT_CUDA
const OrtCustomOp *cuda_scan_op();
#endif

}  // namespace vmamba::ort
