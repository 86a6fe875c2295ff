// The ops as ONNX Runtime sees them, and the one function that this library exports.
#include <array>
#include <memory>
#include <string>
#include <vector>

#include "common/roi_align_op.h"
#include "common/scan_op.h"
#include "node.h"

namespace vmamba::ort {

const OrtApi *api = nullptr;

namespace {

// The oldest interface that has all that is used here: 1.17 brought shape inference and ParallelFor
// to custom ops, 1.18 scratch buffers. Any newer ONNX Runtime still offers it. 1.18 itself takes
// the type of a result from the inputs' types alone, the first op below that fits: no narrow
// result.
constexpr uint32_t kOrtApiVersion = 18;

template <typename Op>
using ComputeFn = void (*)(const Node<Op> &, OrtKernelContext *);

template <typename Op>
struct NodeKernel {
  Node<Op> node;
  ComputeFn<Op> compute;
};

// Throws where an attribute could not be read.
template <typename Op>
void check_read(OrtStatus *status, const AttributeSpec &spec) {
  if (status == nullptr) return;
  api->ReleaseStatus(status);
  reject<Op>(std::string("the attribute ") + spec.name + " is missing or " +
             (spec.is_list ? "no list of integers" : "no integer"));
}

template <typename Op>
[[noreturn]] void reject_long_list(const AttributeSpec &spec) {
  reject<Op>(std::string(spec.name) + " has more than " + std::to_string(kMaxAttributeValues) +
             " values");
}

// What is known of y's extents when a session is made: numbers, and names of free ones.
struct KnownShape {
  std::vector<int64_t> extents;
  std::vector<const char *> names;
};

KnownShape known_shape(const OrtTensorTypeAndShapeInfo *tensor) {
  size_t rank = 0;
  check(api->GetDimensionsCount(tensor, &rank));
  KnownShape shape{std::vector<int64_t>(rank), std::vector<const char *>(rank)};
  check(api->GetDimensions(tensor, shape.extents.data(), rank));
  check(api->GetSymbolicDimensions(tensor, shape.names.data(), rank));
  return shape;
}

template <typename Op>
KnownShape output_of(OrtShapeInferContext *context,
                     const AttributeValue (&attributes)[Op::kAttributes]) {
  KnownShape inputs[Op::kInputs], y;
  for (size_t i = 0; i < Op::kInputs; ++i) {
    OrtTensorTypeAndShapeInfo *input = nullptr;  // owned by the context
    check(api->ShapeInferContext_GetInputTypeShape(context, i, &input));
    inputs[i] = known_shape(input);
  }
  for (const AxisSource &from : Op::kOutputAxes) {
    if (from.input == kFromAttribute) {
      y.extents.push_back(attributes[from.index].integer());
      y.names.push_back("");
      continue;
    }
    const KnownShape &input = inputs[from.input];
    // Past every axis where the rank is not known: a negative one becomes a large one.
    const auto axis = static_cast<size_t>(from.axis_of(static_cast<int32_t>(input.extents.size())));
    const bool known = axis < input.extents.size();
    y.extents.push_back(known ? input.extents[axis] : kUnknown);
    y.names.push_back(known ? input.names[axis] : "");
  }
  return y;
}

// Of a node whose shapes are being inferred.
template <typename Op>
AttributeValue read_attribute(OrtShapeInferContext *context, const AttributeSpec &spec) {
  const OrtOpAttr *attribute = nullptr;
  check_read<Op>(api->ShapeInferContext_GetAttribute(context, spec.name, &attribute), spec);
  int64_t values[kMaxAttributeValues];
  size_t bytes = 0;
  OrtStatus *const status = api->ReadOpAttr(
      attribute, spec.is_list ? ORT_OP_ATTR_INTS : ORT_OP_ATTR_INT, values, sizeof(values), &bytes);
  const bool is_too_long = bytes > sizeof(values);
  if (is_too_long && status != nullptr) api->ReleaseStatus(status);
  if (is_too_long) reject_long_list<Op>(spec);
  check_read<Op>(status, spec);
  return make_attribute(values, static_cast<int64_t>(bytes / sizeof(int64_t)));
}

// Of a node whose kernel is being made.
template <typename Op>
AttributeValue read_attribute(const OrtKernelInfo *info, const AttributeSpec &spec) {
  int64_t values[kMaxAttributeValues];
  size_t count = 1;
  if (!spec.is_list) {
    check_read<Op>(api->KernelInfoGetAttribute_int64(info, spec.name, values), spec);
    return make_attribute(values[0]);
  }
  check_read<Op>(api->KernelInfoGetAttributeArray_int64(info, spec.name, nullptr, &count), spec);
  if (count > kMaxAttributeValues) reject_long_list<Op>(spec);
  check_read<Op>(api->KernelInfoGetAttributeArray_int64(info, spec.name, values, &count), spec);
  return make_attribute(values, static_cast<int64_t>(count));
}

// The node's attributes, from either of its two sides.
template <typename Op, typename Side>
void read_attributes(Side *side, AttributeValue (&attributes)[Op::kAttributes]) {
  for (size_t i = 0; i < Op::kAttributes; ++i) {
    attributes[i] = read_attribute<Op>(side, Op::kAttributeSpecs[i]);
  }
  Problem problem;
  if (!Op::check_attributes(attributes, &problem)) reject<Op>(problem.text);
}

template <typename Op>
OrtStatus *ORT_API_CALL infer_output(const OrtCustomOp *, OrtShapeInferContext *context) {
  return guarded([&] {
    AttributeValue attributes[Op::kAttributes];
    read_attributes<Op>(context, attributes);
    const KnownShape shape = output_of<Op>(context, attributes);
    OrtTensorTypeAndShapeInfo *y = nullptr;
    check(api->CreateTensorTypeAndShapeInfo(&y));
    const std::unique_ptr<OrtTensorTypeAndShapeInfo, decltype(api->ReleaseTensorTypeAndShapeInfo)>
        owner(y, api->ReleaseTensorTypeAndShapeInfo);
    const int64_t out_dtype = attributes[Op::kAttributes - 1].integer();
    check(api->SetTensorElementType(y, static_cast<ONNXTensorElementDataType>(out_dtype)));
    check(api->SetDimensions(y, shape.extents.data(), shape.extents.size()));
    // ONNX Runtime takes names that it only reads as pointers to what may change.
    auto names = shape.names;
    check(api->SetSymbolicDimensions(y, names.data(), names.size()));
    check(api->ShapeInferContext_SetOutputTypeShape(context, 0, y));
  });
}

template <typename Op, ComputeFn<Op> compute>
OrtStatus *ORT_API_CALL create_kernel(const OrtCustomOp *, const OrtApi *,
                                      const OrtKernelInfo *info, void **kernel) {
  return guarded([&] {
    Node<Op> node{};
    read_attributes<Op>(info, node.attributes);
    *kernel = new NodeKernel<Op>{node, compute};
  });
}

template <typename Op>
OrtStatus *ORT_API_CALL compute_kernel(void *kernel, OrtKernelContext *context) {
  return guarded([&] {
    const auto *each = static_cast<const NodeKernel<Op> *>(kernel);
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

template <typename Op>
ONNXTensorElementDataType ORT_API_CALL input_type(const OrtCustomOp *op, size_t index) {
  return Op::kInputSpecs[index].is_t ? typed(op).in : ONNX_TENSOR_ELEMENT_DATA_TYPE_FLOAT;
}

ONNXTensorElementDataType ORT_API_CALL output_type(const OrtCustomOp *op, size_t) {
  return typed(op).out;
}

// One table of functions for each op and execution provider.
template <typename Op>
OrtCustomOp describe_op(decltype(OrtCustomOp::GetExecutionProviderType) provider,
                        decltype(OrtCustomOp::CreateKernelV2) create) {
  OrtCustomOp op{};
  op.version = kOrtApiVersion;
  op.GetExecutionProviderType = provider;
  op.CreateKernelV2 = create;
  op.GetName = [](const OrtCustomOp *) { return Op::kName; };
  op.GetInputType = input_type<Op>;
  op.GetInputTypeCount = [](const OrtCustomOp *) { return size_t{Op::kInputs}; };
  op.GetOutputType = output_type;
  op.GetOutputTypeCount = [](const OrtCustomOp *) { return size_t{1}; };
  op.GetInputCharacteristic = [](const OrtCustomOp *, size_t) { return INPUT_OUTPUT_REQUIRED; };
  op.GetOutputCharacteristic = [](const OrtCustomOp *, size_t) { return INPUT_OUTPUT_REQUIRED; };
  op.GetInputMemoryType = [](const OrtCustomOp *, size_t) { return OrtMemTypeDefault; };
  op.GetVariadicInputMinArity = [](const OrtCustomOp *) { return 1; };
  op.GetVariadicInputHomogeneity = [](const OrtCustomOp *) { return 1; };
  op.GetVariadicOutputMinArity = [](const OrtCustomOp *) { return 1; };
  op.GetVariadicOutputHomogeneity = [](const OrtCustomOp *) { return 1; };
  op.KernelComputeV2 = compute_kernel<Op>;
  op.KernelDestroy = [](void *kernel) { delete static_cast<NodeKernel<Op> *>(kernel); };
  op.InferOutputShapeFn = infer_output<Op>;
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

template <typename Op>
void add_cpu(OrtCustomOpDomain *domain) {
  static const TypedOps ops =
      for_each_type(describe_op<Op>([](const OrtCustomOp *) { return "CPUExecutionProvider"; },
                                    create_kernel<Op, compute_cpu<Op>>));
  add_ops(domain, ops);
}

#ifdef VMAMBA_ORT_CUDA
template <typename Op>
void add_cuda(OrtCustomOpDomain *domain) {
  static const TypedOps ops =
      for_each_type(describe_op<Op>([](const OrtCustomOp *) { return "CUDAExecutionProvider"; },
                                    create_kernel<Op, compute_cuda<Op>>));
  add_ops(domain, ops);
}
#endif

// One domain for all sessions of the process. It is never released: sessions that use it may
// outlive any static object.
OrtCustomOpDomain *make_domain() {
  OrtCustomOpDomain *domain = nullptr;
  check(api->CreateCustomOpDomain("vmamba", &domain));
  add_cpu<ScanOp>(domain);
  add_cpu<SelectiveScanOp>(domain);
  add_cpu<RoiAlignOp>(domain);
#ifdef VMAMBA_ORT_CUDA
  add_cuda<ScanOp>(domain);
  add_cuda<SelectiveScanOp>(domain);
  add_cuda<RoiAlignOp>(domain);
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
