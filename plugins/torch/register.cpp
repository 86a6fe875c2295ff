// What loading this library does: torch.ops.vmamba.selective_scan_2d exists afterwards.
#include <torch/csrc/stable/library.h>

#include "scan_call.h"

namespace {

constexpr const char *kSchema =
    "selective_scan_2d(Tensor x, Tensor proj, Tensor dt_weight, Tensor dt_bias, Tensor a, "
    "Tensor d, int out_dtype) -> Tensor";

// Defines the op unless the process has it: vmamba_deploy's Python code defines the same schema.
// The stable interface cannot ask, but it refuses a second definition and leaves the first as it
// was.
class DefinedOnce {
 public:
  DefinedOnce() {
    aoti_torch_library_init_fragment("vmamba", __FILE__, __LINE__, &library_);
    aoti_torch_library_def(library_, kSchema);
  }
  ~DefinedOnce() { aoti_torch_delete_library_object(library_); }
  DefinedOnce(const DefinedOnce &) = delete;
  DefinedOnce &operator=(const DefinedOnce &) = delete;

 private:
  TorchLibraryHandle library_ = nullptr;
};

const DefinedOnce defined;

}  // namespace

STABLE_TORCH_LIBRARY_IMPL(vmamba, CPU, library) {
  library.impl("selective_scan_2d", TORCH_BOX(&vmamba::torch_op::scan_cpu));
}

#ifdef VMAMBA_TORCH_CUDA
STABLE_TORCH_LIBRARY_IMPL(vmamba, CUDA, library) {
  library.impl("selective_scan_2d", TORCH_BOX(&vmamba::torch_op::scan_cuda));
}
#endif
