#include "adapter.h"

namespace vmamba::torch_op {
namespace {

using CurrentStream = AOTITorchError (*)(int32_t device, void **stream);

// The function is in libtorch_cuda.so, which this library must not need: it serves a PyTorch
// without CUDA too. A call with tensors on a GPU comes from a process that has it.
CurrentStream find_current_stream() {
  void *library = dlopen("libtorch_cuda.so", RTLD_LAZY | RTLD_NOLOAD);
  void *found = library ? dlsym(library, "aoti_torch_get_current_cuda_stream") : nullptr;
  if (found == nullptr) {
    throw std::runtime_error("libvmamba_torch.so: libtorch_cuda.so is not loaded in this process");
  }
  return reinterpret_cast<CurrentStream>(found);
}

}  // namespace

void *current_stream(int32_t device) {
  static const CurrentStream current = find_current_stream();
  void *stream = nullptr;
  TORCH_ERROR_CODE_CHECK(current(device, &stream));
  return stream;
}

}  // namespace vmamba::torch_op
