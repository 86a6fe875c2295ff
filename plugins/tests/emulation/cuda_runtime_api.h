// What TensorRT's headers take from the header of this name, for the tests that run without CUDA.
#ifndef VMAMBA_TESTS_EMULATION_CUDA_RUNTIME_API_H
#define VMAMBA_TESTS_EMULATION_CUDA_RUNTIME_API_H

using cudaStream_t = struct CUstream_st *;
using cudaEvent_t = struct CUevent_st *;

#endif  // VMAMBA_TESTS_EMULATION_CUDA_RUNTIME_API_H
