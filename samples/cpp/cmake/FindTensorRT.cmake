# TensorRT: libnvinfer, else its lean runtime, which runs version-compatible engines.
#
# Hints: TensorRT_ROOT, an unpacked archive or a prefix; or each by itself:
#   TENSORRT_INCLUDE_DIR  the folder of NvInferRuntime.h, of the library's own major version
#   TENSORRT_LIBRARY      libnvinfer.so, libnvinfer.so.10, libnvinfer_lean.so.11, ...
# Defines the target TensorRT::TensorRT, and TensorRT_VERSION: the version of the headers.
include("${CMAKE_CURRENT_LIST_DIR}/TensorRtFiles.cmake")
vmamba_find_tensorrt(TensorRT TENSORRT "/usr/local/tensorrt;/usr/local/TensorRT;/opt/tensorrt"
  nvinfer libnvinfer.so.11 libnvinfer.so.10
  nvinfer_lean libnvinfer_lean.so.11 libnvinfer_lean.so.10)
if(TensorRT_VERSION MATCHES "^RTX")
  set(TENSORRT_INCLUDE_DIR "TENSORRT_INCLUDE_DIR-NOTFOUND")  # those of the other flavour
endif()

include(FindPackageHandleStandardArgs)
find_package_handle_standard_args(TensorRT
  REQUIRED_VARS TENSORRT_LIBRARY TENSORRT_INCLUDE_DIR CUDA_TYPES_INCLUDE_DIR
  VERSION_VAR TensorRT_VERSION
  REASON_FAILURE_MESSAGE
    "set TensorRT_ROOT, or TENSORRT_INCLUDE_DIR and TENSORRT_LIBRARY, and CUDA_HOME for CUDA's headers")
vmamba_import_tensorrt(TensorRT TENSORRT)
