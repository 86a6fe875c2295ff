# TensorRT-RTX: libtensorrt_rtx.
#
# Hints: TensorRT_RTX_ROOT, an unpacked archive; or each by itself:
#   TENSORRT_RTX_INCLUDE_DIR  the folder of NvInferRuntime.h of the same TensorRT-RTX
#   TENSORRT_RTX_LIBRARY      libtensorrt_rtx.so, also as a Python package names it (.so.1)
# Defines the target TensorRT_RTX::TensorRT_RTX, and TensorRT_RTX_VERSION: the version of the
# headers. With the headers of TensorRT, which are older cousins, programs compile and stop with an
# explanation where an engine would be loaded.
include("${CMAKE_CURRENT_LIST_DIR}/TensorRtVersion.cmake")

if(NOT TENSORRT_RTX_INCLUDE_DIR AND DEFINED ENV{TENSORRT_RTX_INCLUDE_DIR})
  set(TENSORRT_RTX_INCLUDE_DIR "$ENV{TENSORRT_RTX_INCLUDE_DIR}" CACHE PATH "NvInferRuntime.h")
endif()
find_path(TENSORRT_RTX_INCLUDE_DIR NvInferRuntime.h
  PATHS /usr/local/tensorrt_rtx /opt/tensorrt_rtx PATH_SUFFIXES include)
find_library(TENSORRT_RTX_LIBRARY NAMES tensorrt_rtx libtensorrt_rtx.so.1
  PATHS /usr/local/tensorrt_rtx /opt/tensorrt_rtx PATH_SUFFIXES lib lib64)
vmamba_find_cuda_types()
vmamba_tensorrt_headers_version("${TENSORRT_RTX_INCLUDE_DIR}" TensorRT_RTX_VERSION)

include(FindPackageHandleStandardArgs)
find_package_handle_standard_args(TensorRT_RTX
  REQUIRED_VARS TENSORRT_RTX_LIBRARY TENSORRT_RTX_INCLUDE_DIR CUDA_TYPES_INCLUDE_DIR
  REASON_FAILURE_MESSAGE "set TensorRT_RTX_ROOT, or TENSORRT_RTX_INCLUDE_DIR and \
TENSORRT_RTX_LIBRARY, and CUDA_HOME for CUDA's headers")
mark_as_advanced(TENSORRT_RTX_INCLUDE_DIR TENSORRT_RTX_LIBRARY)

if(TensorRT_RTX_FOUND AND NOT TensorRT_RTX_VERSION MATCHES "^RTX")
  message(WARNING "TENSORRT_RTX_INCLUDE_DIR has the headers of TensorRT ${TensorRT_RTX_VERSION}, \
not of TensorRT-RTX: the programs will check everything but refuse to load an engine")
endif()
if(TensorRT_RTX_FOUND AND NOT TARGET TensorRT_RTX::TensorRT_RTX)
  add_library(TensorRT_RTX::TensorRT_RTX SHARED IMPORTED)
  set_target_properties(TensorRT_RTX::TensorRT_RTX PROPERTIES
    IMPORTED_LOCATION "${TENSORRT_RTX_LIBRARY}"
    INTERFACE_INCLUDE_DIRECTORIES "${TENSORRT_RTX_INCLUDE_DIR};${CUDA_TYPES_INCLUDE_DIR}")
endif()
