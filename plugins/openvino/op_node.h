// An op of ours as a node of OpenVINO, for an op's struct (see common/signature.h; `Op` is
// OpenVINO's). A plugin that does not know the node runs it through `evaluate`, on the CPU, with
// dense tensors.
#pragma once

#include <algorithm>
#include <cstdint>
#include <iterator>
#include <memory>
#include <string>
#include <vector>

#include "common/signature.h"
#include "openvino/op/op.hpp"

namespace vmamba::openvino {

// As ONNX numbers it; 0 for what no op takes.
int32_t onnx_code(const ov::element::Type &type);

// Its axes are known, its extents where they are.
Shape make_shape(const ov::PartialShape &shape);

// The threads that OpenVINO has for the calling one: those of the stream that evaluates a node.
vmamba_executor current_threads();

template <typename Spec>
class OpNode : public ov::op::Op {
 public:
  OPENVINO_OP(Spec::kName, "vmamba");

  OpNode() = default;  // the attributes come through visit_attributes

  bool visit_attributes(ov::AttributeVisitor &visitor) override {
    for (int32_t i = 0; i < Spec::kAttributes; ++i) {
      visit(visitor, Spec::kAttributeSpecs[i], attributes_[i]);
    }
    return true;
  }

  void validate_and_infer_types() override {
    if (get_input_size() != Spec::kInputs) {
      reject("the node has " + std::to_string(get_input_size()) + " inputs, expected " +
             std::to_string(Spec::kInputs));
    }
    if (is_known()) describe(known_call());
    const bool is_float32 = attributes_[Spec::kAttributes - 1].integer() == VMAMBA_FLOAT32;
    set_output_type(0, is_float32 ? ov::element::f32 : get_input_element_type(0), extents_of_y());
  }

  std::shared_ptr<ov::Node> clone_with_new_inputs(const ov::OutputVector &inputs) const override {
    const auto copy = std::make_shared<OpNode>();
    std::copy(std::begin(attributes_), std::end(attributes_), std::begin(copy->attributes_));
    copy->set_arguments(inputs);
    copy->constructor_validate_and_infer_types();
    return copy;
  }

  bool has_evaluate() const override { return true; }

  bool evaluate(ov::TensorVector &outputs, const ov::TensorVector &inputs) const override {
    CallFacts<Spec> call;
    const void *pointers[Spec::kInputs];
    for (int32_t i = 0; i < Spec::kInputs; ++i) {
      call.dtypes[i] = onnx_code(inputs[i].get_element_type());
      call.shapes[i] = openvino::make_shape(inputs[i].get_shape());
      pointers[i] = inputs[i].data();
    }
    add_attributes(&call);
    const typename Spec::Desc desc = describe(call);
    check(Spec::validate(desc));
    const Shape y = output_shape(call);
    outputs[0].set_shape(ov::Shape(y.extents, y.extents + y.rank));
    check(Spec::run_cpu(desc, Spec::make_args(pointers, outputs[0].data()), current_threads()));
    return true;
  }

 private:
  [[noreturn]] static void reject(const std::string &text) {
    OPENVINO_THROW("vmamba::", Spec::kName, ": ", text);
  }

  static void check(vmamba_status status) {
    if (status != VMAMBA_OK) reject(vmamba_last_error());
  }

  static typename Spec::Desc describe(const CallFacts<Spec> &call) {
    typename Spec::Desc desc{};
    Problem problem;
    if (!describe_call(call, &desc, &problem)) reject(problem.text);
    return desc;
  }

  static void visit(ov::AttributeVisitor &visitor, const AttributeSpec &spec,
                    AttributeValue &value) {
    if (!spec.is_list) {
      visitor.on_attribute(spec.name, value.values[0]);
      value.count = 1;
      return;
    }
    std::vector<int64_t> list(value.values, value.values + value.count);
    visitor.on_attribute(spec.name, list);
    if (list.size() > kMaxAttributeValues) {
      reject(std::string(spec.name) + " has more than " + std::to_string(kMaxAttributeValues) +
             " values");
    }
    value = make_attribute(list.data(), static_cast<int64_t>(list.size()));
  }

  // A plugin that computes in float32 widens what a node takes, and with it a y of the same type.
  void add_attributes(CallFacts<Spec> *call) const {
    std::copy(std::begin(attributes_), std::end(attributes_), std::begin(call->attributes));
    AttributeValue &out_dtype = call->attributes[Spec::kAttributes - 1];
    if (call->dtypes[0] == VMAMBA_FLOAT32 && is_dtype(out_dtype.integer())) {
      out_dtype = make_attribute(VMAMBA_FLOAT32);
    }
  }

  // Whether the number of axes and the dtype of every input are known yet.
  bool is_known() const {
    for (size_t i = 0; i < Spec::kInputs; ++i) {
      if (get_input_partial_shape(i).rank().is_dynamic()) return false;
      if (get_input_element_type(i).is_dynamic()) return false;
    }
    return true;
  }

  CallFacts<Spec> known_call() const {
    CallFacts<Spec> call;
    for (size_t i = 0; i < Spec::kInputs; ++i) {
      call.dtypes[i] = onnx_code(get_input_element_type(i));
      call.shapes[i] = openvino::make_shape(get_input_partial_shape(i));
    }
    add_attributes(&call);
    return call;
  }

  ov::PartialShape extents_of_y() const {
    ov::PartialShape y;
    for (const AxisSource &from : Spec::kOutputAxes) {
      if (from.input == kFromAttribute) {
        y.push_back(attributes_[from.index].integer());
        continue;
      }
      const ov::PartialShape &input = get_input_partial_shape(static_cast<size_t>(from.input));
      const bool has_axes = input.rank().is_static();
      y.push_back(has_axes ? input[static_cast<size_t>(from.axis_of(input.rank().get_length()))]
                           : ov::Dimension::dynamic());
    }
    return y;
  }

  AttributeValue attributes_[Spec::kAttributes] = {};
};

}  // namespace vmamba::openvino
