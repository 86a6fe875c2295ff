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

# Looks for <variable>_INCLUDE_DIR, <variable>_LIBRARY by the names in ARGN, and the header of CUDA's
# that TensorRT's include for its types (no CUDA library is linked). Sets <package>_VERSION: that of
# the headers.
macro(vmamba_find_tensorrt package variable folders)
  if(NOT ${variable}_INCLUDE_DIR AND DEFINED ENV{${variable}_INCLUDE_DIR})
    set(${variable}_INCLUDE_DIR "$ENV{${variable}_INCLUDE_DIR}" CACHE PATH "NvInferRuntime.h")
  endif()
  find_path(${variable}_INCLUDE_DIR NvInferRuntime.h PATHS ${folders} PATH_SUFFIXES include)
  find_library(${variable}_LIBRARY NAMES ${ARGN} PATHS ${folders} PATH_SUFFIXES lib lib64)
  find_path(CUDA_TYPES_INCLUDE_DIR cuda_runtime_api.h
    HINTS ENV CUDA_HOME ENV CUDA_PATH PATHS /usr/local/cuda PATH_SUFFIXES include)
  mark_as_advanced(${variable}_INCLUDE_DIR ${variable}_LIBRARY CUDA_TYPES_INCLUDE_DIR)
  vmamba_tensorrt_headers_version("${${variable}_INCLUDE_DIR}" ${package}_VERSION)
endmacro()

# Defines the target <package>::<package> where all was found.
macro(vmamba_import_tensorrt package variable)
  if(${package}_FOUND AND NOT TARGET ${package}::${package})
    add_library(${package}::${package} SHARED IMPORTED)
    set_target_properties(${package}::${package} PROPERTIES
      IMPORTED_LOCATION "${${variable}_LIBRARY}"
      INTERFACE_INCLUDE_DIRECTORIES "${${variable}_INCLUDE_DIR};${CUDA_TYPES_INCLUDE_DIR}")
  endif()
endmacro()
