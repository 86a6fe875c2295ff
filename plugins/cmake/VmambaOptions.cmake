# What to build, and the flags that every target of this project shares.

set(VMAMBA_CUDA AUTO CACHE STRING "CUDA kernels: AUTO (when nvcc is found), ON or OFF")
set_property(CACHE VMAMBA_CUDA PROPERTY STRINGS AUTO ON OFF)
set(VMAMBA_ARCHS "80" CACHE STRING
    "CUDA architectures: 80 (default; its PTX serves every newer GPU), all, or a list such as 89;90")
option(VMAMBA_TENSORRT "Build libvmamba_trt.so, the TensorRT plugin (needs CUDA)" OFF)
option(VMAMBA_ONNXRUNTIME "Build libvmamba_ort.so, the ONNX Runtime custom-op library" OFF)
option(VMAMBA_TORCH "Build libvmamba_torch.so, the op for PyTorch" OFF)
option(VMAMBA_OPENVINO "Build libvmamba_openvino.so, the extension of OpenVINO" OFF)
option(VMAMBA_TESTS "Build the native tests" OFF)
option(VMAMBA_WERROR "Warnings are errors" OFF)
option(VMAMBA_SANITIZE "Address and undefined-behaviour sanitizers in host code" OFF)

# Named on the command line or in the environment, else a system folder, else what `make native` fetched.
set(fetched "${PROJECT_SOURCE_DIR}/../build/toolchain")
if(VMAMBA_TENSORRT)
  find_path(TENSORRT_INCLUDE_DIR NvInferRuntime.h
            HINTS ENV TENSORRT_INCLUDE_DIR
            PATHS "${fetched}/tensorrt/kernel_lens/include/tensorrt"
            DOC "Folder of NvInferRuntime.h")
endif()
if(VMAMBA_ONNXRUNTIME)
  find_path(ONNXRUNTIME_INCLUDE_DIR onnxruntime_c_api.h
            HINTS ENV ONNXRUNTIME_INCLUDE_DIR
            PATHS "${fetched}/onnxruntime/usr/include" "${fetched}/onnxruntime-header"
            PATH_SUFFIXES onnxruntime onnxruntime/core/session
            DOC "Folder of onnxruntime_c_api.h")
endif()
if(VMAMBA_TORCH)
  find_path(TORCH_INCLUDE_DIR torch/csrc/stable/c/shim.h
            HINTS ENV TORCH_INCLUDE_DIR
            DOC "Folder of torch/csrc/stable, with PyTorch's lib beside it")
endif()
if(VMAMBA_OPENVINO)
  find_path(OPENVINO_INCLUDE_DIR openvino/core/op_extension.hpp
            HINTS ENV OPENVINO_INCLUDE_DIR
            DOC "Folder of openvino/core")
endif()

if(NOT CMAKE_BUILD_TYPE AND NOT CMAKE_CONFIGURATION_TYPES)
  set(CMAKE_BUILD_TYPE Release CACHE STRING "" FORCE)
endif()

set(CMAKE_CXX_STANDARD 17)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)
set(CMAKE_POSITION_INDEPENDENT_CODE ON)
set(CMAKE_CXX_VISIBILITY_PRESET hidden)
set(CMAKE_VISIBILITY_INLINES_HIDDEN ON)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)
# All libraries in one place, whatever folder defines them.
set(CMAKE_LIBRARY_OUTPUT_DIRECTORY "${PROJECT_BINARY_DIR}/lib")
set(CMAKE_RUNTIME_OUTPUT_DIRECTORY "${PROJECT_BINARY_DIR}/bin")

find_package(Threads REQUIRED)
