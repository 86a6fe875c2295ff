// How an artefact folder is opened.
#pragma once

#include <string>
#include <vector>

#include "vmamba_inference/error.hpp"

namespace vmamba_inference {

enum class Runtime { kAuto, kTensorRt, kTensorRtRtx, kOnnxRuntime };

struct Options {
  Runtime runtime = Runtime::kAuto;
  bool cuda = false;         // ONNX Runtime on the GPU instead of the CPU
  int threads = 0;           // of ONNX Runtime on the CPU; 0: its own choice
  bool cuda_graphs = true;   // TensorRT: replay batches of an unchanged size
  bool verify_files = true;  // against the manifest; an engine is code and always compared
};

// "auto", "trt", "rtx" or "ort".
inline Runtime runtime_named(const std::string &name) {
  if (name == "auto") return Runtime::kAuto;
  if (name == "trt") return Runtime::kTensorRt;
  if (name == "rtx") return Runtime::kTensorRtRtx;
  if (name == "ort") return Runtime::kOnnxRuntime;
  throw usage_error("there is no runtime '" + name + "'", "one of auto, trt, rtx, ort");
}

}  // namespace vmamba_inference
