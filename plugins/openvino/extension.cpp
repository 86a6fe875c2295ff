// What OpenVINO gets from this library: each op as a node of models, and how it is read from ONNX.
#include <cstdint>
#include <memory>
#include <vector>

#include "common/roi_align_op.h"
#include "common/scan_op.h"
#include "op_node.h"
#include "openvino/core/op_extension.hpp"
#include "openvino/core/parallel.hpp"
#include "openvino/frontend/onnx/extension/op.hpp"

namespace vmamba::openvino {

int32_t onnx_code(const ov::element::Type &type) {
  if (type == ov::element::f32) return VMAMBA_FLOAT32;
  if (type == ov::element::f16) return VMAMBA_FLOAT16;
  if (type == ov::element::bf16) return VMAMBA_BFLOAT16;
  return type == ov::element::f64 ? 11 : 0;
}

Shape make_shape(const ov::PartialShape &shape) {
  std::vector<int64_t> extents;
  for (const ov::Dimension &each : shape) {
    extents.push_back(each.is_static() ? each.get_length() : kUnknown);
  }
  return vmamba::make_shape(extents.data(), static_cast<int64_t>(extents.size()));
}

vmamba_executor current_threads() {
  const auto run = [](void *, int64_t count, vmamba_task task, void *arg) {
    ov::parallel_for(count, [task, arg](int64_t index) { task(arg, index); });
  };
  return {nullptr, parallel_get_max_threads(), run};
}

namespace {

// In an IR file a node is of the type kName and the version `vmamba`, in ONNX of that domain.
template <typename Op>
void add(std::vector<ov::Extension::Ptr> *extensions) {
  using Node = OpNode<Op>;
  extensions->push_back(std::make_shared<ov::OpExtension<Node>>());
  extensions->push_back(
      std::make_shared<ov::frontend::onnx::OpExtension<Node>>(Op::kName, "vmamba"));
}

std::vector<ov::Extension::Ptr> extensions() {
  std::vector<ov::Extension::Ptr> all;
  add<ScanOp>(&all);
  add<SelectiveScanOp>(&all);
  add<RoiAlignOp>(&all);
  return all;
}

}  // namespace
}  // namespace vmamba::openvino

OPENVINO_CREATE_EXTENSIONS(vmamba::openvino::extensions())
