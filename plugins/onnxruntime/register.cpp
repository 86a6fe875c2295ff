// The op as ONNX Runtime sees it, and the one function that this library exports.
#include <array>
#include <memory>
#include <string>
#include <vector>

#include "common/signature.h"
#include "scan_node.h"

namespace vmamba::ort {

const OrtApi *api = nullptr;

namespace {

// The oldest interface that has all that is used here: 1.17 brought shape inference and ParallelFor
// to custom ops, 1.18 scratch buffers. Any newer ONNX Runtime still offers it. 1.18 itself takes
// the type of a result from the inputs' types alone, the first op below that fits: no narrow
// result.
constexpr uint32_t kOrtApiVersion = 18;

using ComputeFn = void (*)(const ScanNode &, OrtKernelContext *);

struct NodeKernel {
  ScanNode node;
  ComputeFn compute;
};

int32_t check_out_dtype(int64_t out_dtype) {
  if (!is_dtype(out_dtype)) {
    throw OrtError(ORT_INVALID_ARGUMENT,
                   "vmamba::SelectiveScan2D: out_dtype is " + std::to_string(out_dtype) +
                       ", expected 1 (float32), 10 (float16) or 16 (bfloat16)");
  }
  return static_cast<int32_t>(out_dtype);
}

// y has the shape of x, symbolic dimensions included, and the dtype of the attribute.
void set_output(OrtShapeInferContext *context, const OrtTensorTypeAndShapeInfo *x,
                OrtTensorTypeAndShapeInfo *y) {
  const OrtOpAttr *attribute = nullptr;
  check(api->ShapeInferContext_GetAttribute(context, "out_dtype", &attribute));
  int64_t out_dtype = 0;
  size_t size = 0;
  check(api->ReadOpAttr(attribute, ORT_OP_ATTR_INT, &out_dtype, sizeof(out_dtype), &size));
  check(api->SetTensorElementType(
      y, static_cast<ONNXTensorElementDataType>(check_out_dtype(out_dtype))));
  size_t rank = 0;
  check(api->GetDimensionsCount(x, &rank));
  std::vector<int64_t> dims(rank);
  std::vector<const char *> names(rank);
  check(api->GetDimensions(x, dims.data(), rank));
  check(api->GetSymbolicDimensions(x, names.data(), rank));
  check(api->SetDimensions(y, dims.data(), rank));
  check(api->SetSymbolicDimensions(y, names.data(), rank));
  check(api->ShapeInferContext_SetOutputTypeShape(context, 0, y));
}

OrtStatus *ORT_API_CALL infer_output(const OrtCustomOp *, OrtShapeInferContext *context) {
  return guarded([&] {
    OrtTensorTypeAndShapeInfo *x = nullptr;  // owned by the context
    check(api->ShapeInferContext_GetInputTypeShape(context, 0, &x));
    OrtTensorTypeAndShapeInfo *y = nullptr;
    check(api->CreateTensorTypeAndShapeInfo(&y));
    const std::unique_ptr<OrtTensorTypeAndShapeInfo, decltype(api->ReleaseTensorTypeAndShapeInfo)>
        owner(y, api->ReleaseTensorTypeAndShapeInfo);
    set_output(context, x, y);
  });
}

template <ComputeFn compute>
OrtStatus *ORT_API_CALL create_kernel(const OrtCustomOp *, const OrtApi *,
                                      const OrtKernelInfo *info, void **kernel) {
  return guarded([&] {
    int64_t out_dtype = 0;
    check(api->KernelInfoGetAttribute_int64(info, "out_dtype", &out_dtype));
    *kernel = new NodeKernel{{check_out_dtype(out_dtype)}, compute};
  });
}

OrtStatus *ORT_API_CALL compute_kernel(void *kernel, OrtKernelContext *context) {
  return guarded([&] {
    const auto *each = static_cast<const NodeKernel *>(kernel);
    each->compute(each->node, context);
  });
}

// ONNX Runtime below 1.22 takes no op with several inputs of any type, so there is an op for each
// pair of types that the kernels take, all of one name. `base` is first: a pointer to it is one to
// the whole.
struct TypedOp {
  OrtCustomOp base;
  ONNXTensorElementDataType in, out;
};

const TypedOp &typed(const OrtCustomOp *op) { return *reinterpret_cast<const TypedOp *>(op); }

ONNXTensorElementDataType ORT_API_CALL input_type(const OrtCustomOp *op, size_t index) {
  return index < 2 ? typed(op).in : ONNX_TENSOR_ELEMENT_DATA_TYPE_FLOAT;
}

ONNXTensorElementDataType ORT_API_CALL output_type(const OrtCustomOp *op, size_t) {
  return typed(op).out;
}

// One table of functions for each execution provider.
OrtCustomOp describe_op(decltype(OrtCustomOp::GetExecutionProviderType) provider,
                        decltype(OrtCustomOp::CreateKernelV2) create) {
  OrtCustomOp op{};
  op.version = kOrtApiVersion;
  op.GetExecutionProviderType = provider;
  op.CreateKernelV2 = create;
  op.GetName = [](const OrtCustomOp *) { return "SelectiveScan2D"; };
  op.GetInputType = input_type;
  op.GetInputTypeCount = [](const OrtCustomOp *) { return size_t{kInputs}; };
  op.GetOutputType = output_type;
  op.GetOutputTypeCount = [](const OrtCustomOp *) { return size_t{1}; };
  op.GetInputCharacteristic = [](const OrtCustomOp *, size_t) { return INPUT_OUTPUT_REQUIRED; };
  op.GetOutputCharacteristic = [](const OrtCustomOp *, size_t) { return INPUT_OUTPUT_REQUIRED; };
  op.GetInputMemoryType = [](const OrtCustomOp *, size_t) { return OrtMemTypeDefault; };
  op.GetVariadicInputMinArity = [](const OrtCustomOp *) { return 1; };
  op.GetVariadicInputHomogeneity = [](const OrtCustomOp *) { return 1; };
  op.GetVariadicOutputMinArity = [](const OrtCustomOp *) { return 1; };
  op.GetVariadicOutputHomogeneity = [](const OrtCustomOp *) { return 1; };
  op.KernelComputeV2 = compute_kernel;
  op.KernelDestroy = [](void *kernel) { delete static_cast<NodeKernel *>(kernel); };
  op.InferOutputShapeFn = infer_output;
  op.GetStartVersion = [](const OrtCustomOp *) { return 1; };
  op.GetEndVersion = [](const OrtCustomOp *) { return INT32_MAX; };
  return op;
}

constexpr ONNXTensorElementDataType kFloat32 = ONNX_TENSOR_ELEMENT_DATA_TYPE_FLOAT;
constexpr ONNXTensorElementDataType kFloat16 = ONNX_TENSOR_ELEMENT_DATA_TYPE_FLOAT16;
constexpr ONNXTensorElementDataType kBfloat16 = ONNX_TENSOR_ELEMENT_DATA_TYPE_BFLOAT16;
using TypedOps = std::array<TypedOp, 5>;

TypedOps for_each_type(const OrtCustomOp &op) {
  return {{{op, kFloat32, kFloat32},
           {op, kFloat16, kFloat32},
           {op, kFloat16, kFloat16},
           {op, kBfloat16, kFloat32},
           {op, kBfloat16, kBfloat16}}};
}

void add_ops(OrtCustomOpDomain *domain, const TypedOps &ops) {
  for (const TypedOp &op : ops) check(api->CustomOpDomain_Add(domain, &op.base));
}

// One domain for all sessions of the process. It is never released: sessions that use it may
// outlive any static object.
OrtCustomOpDomain *make_domain() {
  OrtCustomOpDomain *domain = nullptr;
  check(api->CreateCustomOpDomain("vmamba", &domain));
  static const TypedOps cpu = for_each_type(describe_op(
      [](const OrtCustomOp *) { return "CPUExecutionProvider"; }, create_kernel<compute_cpu>));
  add_ops(domain, cpu);
#ifdef VMAMBA_ORT_CUDA
  static const TypedOps cuda = for_each_type(describe_op(
      [](const OrtCustomOp *) { return "CUDAExecutionProvider"; }, create_kernel<compute_cuda>));
  add_ops(domain, cuda);
#endif
  return domain;
}

}  // namespace
}  // namespace vmamba::ort

extern "C" __attribute__((visibility("default"))) OrtStatus *ORT_API_CALL
RegisterCustomOps(OrtSessionOptions *options, const OrtApiBase *base) {
  using namespace vmamba::ort;
  const OrtApi *offered = base->GetApi(kOrtApiVersion);
  if (offered == nullptr) {
    // Without that interface only what every version has can be used: the first one's CreateStatus.
    const std::string text = "libvmamba_ort.so needs ONNX Runtime 1." +
                             std::to_string(kOrtApiVersion) + " or newer, this is " +
                             base->GetVersionString();
    return base->GetApi(1)->CreateStatus(ORT_NOT_IMPLEMENTED, text.c_str());
  }
  api = offered;
  return guarded([&] {
    static OrtCustomOpDomain *const domain = make_domain();
    check(api->AddCustomOpDomain(options, domain));
  });
}
