// The one function that this library exports.
#pragma once

#include <onnxruntime_c_api.h>

namespace vmamba::ort {

// The oldest interface that has all that is used here: 1.17 brought shape inference and ParallelFor
// to custom ops, 1.18 scratch buffers. Any newer ONNX Runtime still offers it.
constexpr uint32_t kOrtApiVersion = 18;

}  // namespace vmamba::ort

extern "C" __attribute__((visibility("default"))) OrtStatus *ORT_API_CALL
RegisterCustomOps(OrtSessionOptions *options, const OrtApiBase *base);
