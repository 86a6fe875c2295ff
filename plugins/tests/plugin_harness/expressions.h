// Extents as the builder hands them to getOutputShapes: constants, or not known yet.
#ifndef VMAMBA_TESTS_PLUGIN_HARNESS_EXPRESSIONS_H
#define VMAMBA_TESTS_PLUGIN_HARNESS_EXPRESSIONS_H

#include <NvInferRuntime.h>

#include <cstdint>
#include <deque>
#include <limits>

namespace vmamba::tests {

class Extent final : public nvinfer1::IDimensionExpr {
 public:
  static constexpr int64_t kUnknown = std::numeric_limits<int64_t>::min();

  explicit Extent(int64_t value) : value_(value) { mImpl = &value_; }
  ~Extent() noexcept override = default;

 private:
  struct Value final : nvinfer1::apiv::VDimensionExpr {
    explicit Value(int64_t value) : value(value) {}
    bool isConstant() const override { return value != kUnknown; }
    int64_t getConstantValue() const override { return value; }
    bool isSizeTensor() const override { return false; }
    const int64_t value;
  };

  Value value_;
};

// Makes constants. An operator on extents is none that the plugin needs, and gives none.
class ExtentBuilder final : public nvinfer1::IExprBuilder {
 public:
  ExtentBuilder() { mImpl = &maker_; }
  ~ExtentBuilder() noexcept override = default;

 private:
  struct Maker final : nvinfer1::apiv::VExprBuilder {
    const nvinfer1::IDimensionExpr *constant(int64_t value) override {
      return &made.emplace_back(value);
    }
    const nvinfer1::IDimensionExpr *operation(nvinfer1::DimensionOperation,
                                              const nvinfer1::IDimensionExpr &,
                                              const nvinfer1::IDimensionExpr &) override {
      return nullptr;
    }
    const nvinfer1::IDimensionExpr *declareSizeTensor(int32_t, const nvinfer1::IDimensionExpr &,
                                                      const nvinfer1::IDimensionExpr &) override {
      return nullptr;
    }
    std::deque<Extent> made;
  };

  Maker maker_;
};

}  // namespace vmamba::tests

#endif  // VMAMBA_TESTS_PLUGIN_HARNESS_EXPRESSIONS_H
