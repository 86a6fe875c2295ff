# ONNX Runtime's C and C++ interface.
#
# Hints: OnnxRuntime_ROOT, a release archive or a prefix; or each by itself:
#   ONNXRUNTIME_INCLUDE_DIR  the folder of onnxruntime_cxx_api.h
#   ONNXRUNTIME_LIBRARY      libonnxruntime.so, also as a Python package names it (.so.1.32.0)
# Defines the target OnnxRuntime::OnnxRuntime.
if(NOT ONNXRUNTIME_INCLUDE_DIR AND DEFINED ENV{ONNXRUNTIME_INCLUDE_DIR})
  set(ONNXRUNTIME_INCLUDE_DIR "$ENV{ONNXRUNTIME_INCLUDE_DIR}" CACHE PATH "onnxruntime_cxx_api.h")
endif()
# Last of all, what a checkout of vmamba_deploy has: the Python package, and headers fetched for it.
set(_checkout "${CMAKE_CURRENT_LIST_DIR}/../../..")
file(GLOB _packaged "${_checkout}/.venv/lib/python3*/site-packages/onnxruntime/capi/*onnxruntime.so.*")
find_path(ONNXRUNTIME_INCLUDE_DIR onnxruntime_cxx_api.h
  PATHS "${_checkout}/build/toolchain/onnxruntime/usr/include"
  PATH_SUFFIXES onnxruntime onnxruntime/core/session)
find_library(ONNXRUNTIME_LIBRARY onnxruntime)
if(NOT ONNXRUNTIME_LIBRARY AND _packaged)
  list(GET _packaged 0 _packaged)
  set(ONNXRUNTIME_LIBRARY "${_packaged}" CACHE FILEPATH "libonnxruntime.so" FORCE)
endif()

include(FindPackageHandleStandardArgs)
find_package_handle_standard_args(OnnxRuntime
  REQUIRED_VARS ONNXRUNTIME_LIBRARY ONNXRUNTIME_INCLUDE_DIR
  REASON_FAILURE_MESSAGE "set OnnxRuntime_ROOT, or ONNXRUNTIME_INCLUDE_DIR and ONNXRUNTIME_LIBRARY")
mark_as_advanced(ONNXRUNTIME_INCLUDE_DIR ONNXRUNTIME_LIBRARY)

if(OnnxRuntime_FOUND AND NOT TARGET OnnxRuntime::OnnxRuntime)
  # The Python package has libonnxruntime.so.1.32.0 alone, but programs look for its soname.
  set(_location "${ONNXRUNTIME_LIBRARY}")
  get_filename_component(_name "${ONNXRUNTIME_LIBRARY}" NAME)
  get_filename_component(_folder "${ONNXRUNTIME_LIBRARY}" DIRECTORY)
  if(_name MATCHES "^libonnxruntime\\.so\\.([0-9]+)\\." AND
      NOT EXISTS "${_folder}/libonnxruntime.so.${CMAKE_MATCH_1}")
    set(_location "${CMAKE_BINARY_DIR}/onnxruntime/libonnxruntime.so.${CMAKE_MATCH_1}")
    file(GLOB _parts "${_folder}/libonnxruntime*.so*")  # its providers must lie beside it
    file(MAKE_DIRECTORY "${CMAKE_BINARY_DIR}/onnxruntime")
    foreach(_part IN LISTS _parts)
      get_filename_component(_name "${_part}" NAME)
      file(CREATE_LINK "${_part}" "${CMAKE_BINARY_DIR}/onnxruntime/${_name}" SYMBOLIC)
    endforeach()
    file(CREATE_LINK "${ONNXRUNTIME_LIBRARY}" "${_location}" SYMBOLIC)
  endif()
  add_library(OnnxRuntime::OnnxRuntime SHARED IMPORTED)
  set_target_properties(OnnxRuntime::OnnxRuntime PROPERTIES
    IMPORTED_LOCATION "${_location}"
    INTERFACE_INCLUDE_DIRECTORIES "${ONNXRUNTIME_INCLUDE_DIR}")
endif()
