# Reads the version from NvInferVersion.h in `folder`: "10.14.1", or "RTX 1.7.1" for the headers of
# TensorRT-RTX; empty where there is none.
function(vmamba_tensorrt_headers_version folder result)
  set(${result} "" PARENT_SCOPE)
  if(NOT EXISTS "${folder}/NvInferVersion.h")
    return()
  endif()
  file(READ "${folder}/NvInferVersion.h" text)
  set(numbers "")
  foreach(part MAJOR MINOR PATCH)
    if(text MATCHES "#define TRT_${part}_RTX[ \t]+([0-9]+)")
      set(prefix "RTX ")
      list(APPEND numbers "${CMAKE_MATCH_1}")
    elseif(text MATCHES "#define (TRT_${part}_ENTERPRISE|NV_TENSORRT_${part})[ \t]+([0-9]+)")
      set(prefix "")
      list(APPEND numbers "${CMAKE_MATCH_2}")
    endif()
  endforeach()
  list(JOIN numbers "." numbers)
  set(${result} "${prefix}${numbers}" PARENT_SCOPE)
endfunction()

# The headers of TensorRT include one of CUDA's for its types. No CUDA library is linked.
macro(vmamba_find_cuda_types)
  find_path(CUDA_TYPES_INCLUDE_DIR cuda_runtime_api.h
    HINTS ENV CUDA_HOME ENV CUDA_PATH PATHS /usr/local/cuda PATH_SUFFIXES include)
  mark_as_advanced(CUDA_TYPES_INCLUDE_DIR)
endmacro()
