// Which runtimes this program was built with, and opening one of them. The macros are set by the
// CMake targets: VMAMBA_WITH_ONNXRUNTIME, and one of VMAMBA_WITH_TENSORRT,
// VMAMBA_WITH_TENSORRT_RTX.
#pragma once

#include <memory>
#include <string>

#include "vmamba_inference/error.hpp"
#include "vmamba_inference/manifest.hpp"
#include "vmamba_inference/session.hpp"

#ifdef VMAMBA_WITH_ONNXRUNTIME
#include "vmamba_inference/ort_session.hpp"
#endif
#if defined(VMAMBA_WITH_TENSORRT) && defined(VMAMBA_WITH_TENSORRT_RTX)
#error "TensorRT and TensorRT-RTX export the same symbols: a program has one of them"
#endif
#if defined(VMAMBA_WITH_TENSORRT) || defined(VMAMBA_WITH_TENSORRT_RTX)
#define VMAMBA_WITH_A_TENSORRT
#include "vmamba_inference/trt_session.hpp"
#endif
#if !defined(VMAMBA_WITH_ONNXRUNTIME) && !defined(VMAMBA_WITH_A_TENSORRT)
#error \
    "no runtime: define VMAMBA_WITH_ONNXRUNTIME, VMAMBA_WITH_TENSORRT or VMAMBA_WITH_TENSORRT_RTX"
#endif

namespace vmamba_inference {

namespace detail {

#ifdef VMAMBA_WITH_ONNXRUNTIME
inline constexpr bool kHasOnnxRuntime = true;
#else
inline constexpr bool kHasOnnxRuntime = false;
#endif
#ifdef VMAMBA_WITH_TENSORRT
inline constexpr Runtime kTensorRtHere = Runtime::kTensorRt;
#elif defined(VMAMBA_WITH_TENSORRT_RTX)
inline constexpr Runtime kTensorRtHere = Runtime::kTensorRtRtx;
#else
inline constexpr Runtime kTensorRtHere = Runtime::kAuto;  // none
#endif

inline Error not_built_with(const std::string &title, const std::string &option) {
  return environment_problem("this program was built without " + title,
                             "build it again with " + option);
}

// An engine that can run here goes before ONNX Runtime.
inline Runtime choose_runtime([[maybe_unused]] const Manifest &manifest, const Options &options) {
  if (options.runtime != Runtime::kAuto) return options.runtime;
  if constexpr (!kHasOnnxRuntime) return kTensorRtHere;
#ifdef VMAMBA_WITH_A_TENSORRT
  if (!options.cuda && TrtSession::can_run(manifest)) return kTensorRtHere;
#endif
  return Runtime::kOnnxRuntime;
}

}  // namespace detail

// Where `options.verify_files` is set, the files must have been verified.
inline std::unique_ptr<Session> open_session(const Manifest &manifest, const Options &options) {
  const Runtime runtime = detail::choose_runtime(manifest, options);
  if (options.cuda && runtime != Runtime::kOnnxRuntime) {
    throw usage_error("--cuda is for ONNX Runtime; TensorRT always uses the GPU");
  }
  if (runtime == Runtime::kOnnxRuntime) {
#ifdef VMAMBA_WITH_ONNXRUNTIME
    return std::make_unique<OrtSession>(manifest, options);
#else
    throw detail::not_built_with("ONNX Runtime", "-DVMAMBA_ONNXRUNTIME=ON");
#endif
  }
#ifdef VMAMBA_WITH_A_TENSORRT
  if (runtime == detail::kTensorRtHere) return std::make_unique<TrtSession>(manifest, options);
#endif
  if (runtime == Runtime::kTensorRt) {
    throw detail::not_built_with("TensorRT", "-DVMAMBA_TENSORRT=TENSORRT");
  }
  throw detail::not_built_with("TensorRT-RTX", "-DVMAMBA_TENSORRT=RTX");
}

}  // namespace vmamba_inference
