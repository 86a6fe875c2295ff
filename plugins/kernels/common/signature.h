// What the adapters need to know of an op: names, dtypes and shapes of its inputs, the sizes in
// them, and the functions of its C interface. Frameworks hand over what they know of a call; a
// reason comes back as text, never as an exception.
//
// An op is a struct of static members (scan_op.h, roi_align_op.h), the argument of the adapters'
// templates:
//   Desc, Args                     of its C interface
//   kName                          of the ONNX node and of the plugin
//   kCudaKernels                   another name whenever they change: TensorRT keeps times by it
//   kTorchName, kTorchSchema       of the PyTorch operator
//   kInputs, kInputSpecs           in the order of the node; the first one is of type T, and its
//                                  number of axes tells of which form a call is
//   kAttributes, kAttributeSpecs   integers and lists of them, in the order of the operator; the
//                                  last is out_dtype
//   check_attributes               each by itself; false, with the reason
//   read_sizes                     fills the sizes of a Desc; false, with the reason, where two
//                                  known extents disagree
//   kOutputAxes                    where each extent of y comes from
//   make_args                      from the pointers in the order of the inputs, and that of y
//   validate, run_cpu, workspace_bytes, run_cuda
#pragma once

#include "vmamba/common.h"

namespace vmamba {

// An extent that a builder of engines does not know yet: it fits everything.
constexpr int64_t kUnknown = -1;
constexpr int32_t kMaxAxes = 8;

struct Shape {
  int32_t rank = 0;  // of more than kMaxAxes axes the first ones are kept: no input has so many
  int64_t extents[kMaxAxes] = {};
};

struct AxesSpec {
  const char *text;  // such as "[B, H, W, D]"; null: as in the first form
  int32_t rank;
};
constexpr int32_t kMaxForms = 2;

struct InputSpec {
  const char *name;
  bool is_t;                 // of type T, else float32
  AxesSpec axes[kMaxForms];  // in each form of the op

  const AxesSpec &axes_in(int32_t form) const noexcept {
    return axes[form].text == nullptr ? axes[0] : axes[form];
  }
};

struct AttributeSpec {
  const char *name;
  bool is_list;
};

// An integer, or a list: of more values than fit the first ones are kept, for no op takes so many.
constexpr int32_t kMaxAttributeValues = 4;
struct AttributeValue {
  int64_t values[kMaxAttributeValues];
  int64_t count;

  int64_t integer() const noexcept { return values[0]; }
};

// An extent of y: that of an axis of an input, or an attribute.
struct AxisSource {
  int32_t input;  // kFromAttribute: `index` is that of an attribute
  int32_t index;  // of an axis; below 0: from the last one, which is -1

  int32_t axis_of(int32_t rank) const noexcept { return index < 0 ? rank + index : index; }
};
constexpr int32_t kFromAttribute = -1;

// What a framework knows of a call. A dtype is a vmamba_dtype, or the ONNX code of a type that the
// op does not take, or 0.
template <typename Op>
struct CallFacts {
  int32_t dtypes[Op::kInputs] = {};
  Shape shapes[Op::kInputs];
  AttributeValue attributes[Op::kAttributes] = {};

  int64_t out_dtype() const noexcept { return attributes[Op::kAttributes - 1].integer(); }
};

struct Problem {
  char text[400] = "";
};

__attribute__((format(printf, 2, 3))) bool refuse(Problem *problem, const char *format,
                                                  ...) noexcept;

// False, with what a list is and what was expected.
bool refuse_list(Problem *problem, const char *name, const AttributeValue &list,
                 const char *expected) noexcept;

Shape make_shape(const int64_t *extents, int64_t rank) noexcept;
AttributeValue make_attribute(const int64_t *values, int64_t count) noexcept;
inline AttributeValue make_attribute(int64_t value) noexcept { return make_attribute(&value, 1); }

// Whether an op takes it.
bool is_dtype(int64_t dtype) noexcept;
bool check_out_dtype(int64_t out_dtype, Problem *problem) noexcept;

// False, with the reason, where a dtype does not go together with that of the first input.
bool check_dtypes(const InputSpec *specs, int32_t inputs, const int32_t *dtypes, int64_t out_dtype,
                  Problem *problem) noexcept;

// False, with the reason, where an input has not as many axes as it must in the call's form.
bool check_ranks(const InputSpec *specs, int32_t inputs, const Shape *shapes,
                 Problem *problem) noexcept;

// What an input's shape may be.
struct Expected {
  Shape shape;
  Shape other{};  // of no axes where there is but one
};

// False, with the reason, where two known extents disagree.
bool check_shapes(const InputSpec *specs, int32_t inputs, const Shape *shapes,
                  const Expected *expected, Problem *problem) noexcept;

template <typename Op>
bool check_dtypes(const CallFacts<Op> &call, Problem *problem) noexcept {
  return check_dtypes(Op::kInputSpecs, Op::kInputs, call.dtypes, call.out_dtype(), problem);
}

// Fills desc; false, with the reason, where the call is wrong. Limits of the sizes are told by
// Op::validate.
template <typename Op>
bool describe_call(const CallFacts<Op> &call, typename Op::Desc *desc, Problem *problem) noexcept {
  if (!check_dtypes(call, problem) || !Op::check_attributes(call.attributes, problem)) return false;
  desc->in_dtype = call.dtypes[0];
  desc->out_dtype = static_cast<int32_t>(call.out_dtype());
  return Op::read_sizes(call, desc, problem);
}

template <typename Op>
Shape output_shape(const CallFacts<Op> &call) noexcept {
  Shape y;
  for (const AxisSource &from : Op::kOutputAxes) {
    if (from.input == kFromAttribute) {
      y.extents[y.rank++] = call.attributes[from.index].integer();
    } else {
      const Shape &input = call.shapes[from.input];
      y.extents[y.rank++] = input.extents[from.axis_of(input.rank)];
    }
  }
  return y;
}

}  // namespace vmamba
