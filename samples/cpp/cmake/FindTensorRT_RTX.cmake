# TensorRT-RTX: libtensorrt_rtx.
#
# Hints: TensorRT_RTX_ROOT, an unpacked archive; or each by itself:
#   TENSORRT_RTX_INCLUDE_DIR  the folder of NvInferRuntime.h of the same TensorRT-RTX
#   TENSORRT_RTX_LIBRARY      libtensorrt_rtx.so, also as a Python package names it (.so.1)
# Defines the target TensorRT_RTX::TensorRT_RTX, and TensorRT_RTX_VERSION: the version of the
# headers. With the headers of TensorRT, which are older cousins, programs compile and stop with an
# explanation where an engine would be loaded.
include("${CMAKE_CURRENT_LIST_DIR}/TensorRtFiles.cmake")
vmamba_find_tensorrt(TensorRT_RTX TENSORRT_RTX "/usr/local/tensorrt_rtx;/opt/tensorrt_rtx"
  tensorrt_rtx libtensorrt_rtx.so.1)

include(FindPackageHandleStandardArgs)
find_package_handle_standard_args(TensorRT_RTX
  REQUIRED_VARS TENSORRT_RTX_LIBRARY TENSORRT_RTX_INCLUDE_DIR CUDA_TYPES_INCLUDE_DIR
  REASON_FAILURE_MESSAGE "set TensorRT_RTX_ROOT, or TENSORRT_RTX_INCLUDE_DIR and \
TENSORRT_RTX_LIBRARY, and CUDA_HOME for CUDA's headers")

if(TensorRT_RTX_FOUND AND NOT TensorRT_RTX_VERSION MATCHES "^RTX")
  message(WARNING "TENSORRT_RTX_INCLUDE_DIR has the headers of TensorRT ${TensorRT_RTX_VERSION}, \
not of TensorRT-RTX: the programs will check everything but refuse to load an engine")
endif()
vmamba_import_tensorrt(TensorRT_RTX TENSORRT_RTX)
