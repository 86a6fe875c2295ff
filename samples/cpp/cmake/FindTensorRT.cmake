# TensorRT: libnvinfer, else its lean runtime, which runs version-compatible engines.
#
# Hints: TensorRT_ROOT, an unpacked archive or a prefix; or each by itself:
#   TENSORRT_INCLUDE_DIR  the folder of NvInferRuntime.h, of the library's own major version
#   TENSORRT_LIBRARY      libnvinfer.so, libnvinfer.so.10, libnvinfer_lean.so.11, ...
# Defines the target TensorRT::TensorRT, and TensorRT_VERSION: the version of the headers.
include("${CMAKE_CURRENT_LIST_DIR}/TensorRtVersion.cmake")

if(NOT TENSORRT_INCLUDE_DIR AND DEFINED ENV{TENSORRT_INCLUDE_DIR})
  set(TENSORRT_INCLUDE_DIR "$ENV{TENSORRT_INCLUDE_DIR}" CACHE PATH "NvInferRuntime.h")
endif()
find_path(TENSORRT_INCLUDE_DIR NvInferRuntime.h
  PATHS /usr/local/tensorrt /usr/local/TensorRT /opt/tensorrt PATH_SUFFIXES include)
find_library(TENSORRT_LIBRARY
  NAMES nvinfer libnvinfer.so.11 libnvinfer.so.10
        nvinfer_lean libnvinfer_lean.so.11 libnvinfer_lean.so.10
  PATHS /usr/local/tensorrt /usr/local/TensorRT /opt/tensorrt PATH_SUFFIXES lib lib64)
vmamba_find_cuda_types()
vmamba_tensorrt_headers_version("${TENSORRT_INCLUDE_DIR}" TensorRT_VERSION)
if(TensorRT_VERSION MATCHES "^RTX")
  set(TENSORRT_INCLUDE_DIR "TENSORRT_INCLUDE_DIR-NOTFOUND")  # those of the other flavour
endif()

include(FindPackageHandleStandardArgs)
find_package_handle_standard_args(TensorRT
  REQUIRED_VARS TENSORRT_LIBRARY TENSORRT_INCLUDE_DIR CUDA_TYPES_INCLUDE_DIR
  VERSION_VAR TensorRT_VERSION
  REASON_FAILURE_MESSAGE
    "set TensorRT_ROOT, or TENSORRT_INCLUDE_DIR and TENSORRT_LIBRARY, and CUDA_HOME for CUDA's headers")
mark_as_advanced(TENSORRT_INCLUDE_DIR TENSORRT_LIBRARY)

if(TensorRT_FOUND AND NOT TARGET TensorRT::TensorRT)
  add_library(TensorRT::TensorRT SHARED IMPORTED)
  set_target_properties(TensorRT::TensorRT PROPERTIES
    IMPORTED_LOCATION "${TENSORRT_LIBRARY}"
    INTERFACE_INCLUDE_DIRECTORIES "${TENSORRT_INCLUDE_DIR};${CUDA_TYPES_INCLUDE_DIR}")
endif()
