// Extents of tensors as TensorRT's builder hands them to a plugin, with no TensorRT library.
#pragma once

#include <NvInferRuntime.h>

#include <deque>
#include <limits>

namespace vmamba::tests {

using nvinfer1::DimensionOperation;
using nvinfer1::IDimensionExpr;
using nvinfer1::IExprBuilder;
namespace apiv = nvinfer1::apiv;

// Extents as the builder hands them to getOutputShapes: constants, or not known yet.
class Extent final : public IDimensionExpr {
 public:
  static constexpr int64_t kUnknown = std::numeric_limits<int64_t>::min();

  explicit Extent(int64_t value) : value_(value) { mImpl = &value_; }
  ~Extent() noexcept override = default;

 private:
  struct Value final : apiv::VDimensionExpr {
    explicit Value(int64_t value) : value(value) {}
    bool isConstant() const override { return value != kUnknown; }
    int64_t getConstantValue() const override { return value; }
    bool isSizeTensor() const override { return false; }
    const int64_t value;
  };

  Value value_;
};

// Makes constants. An operator on extents is none that the plugin needs, and gives none.
class ExtentBuilder final : public IExprBuilder {
 public:
  ExtentBuilder() { mImpl = &maker_; }
  ~ExtentBuilder() noexcept override = default;

 private:
  struct Maker final : apiv::VExprBuilder {
    const IDimensionExpr *constant(int64_t value) override { return &made.emplace_back(value); }
    const IDimensionExpr *operation(DimensionOperation, const IDimensionExpr &,
                                    const IDimensionExpr &) override {
      return nullptr;
    }
    const IDimensionExpr *declareSizeTensor(int32_t, const IDimensionExpr &,
                                            const IDimensionExpr &) override {
      return nullptr;
    }
    std::deque<Extent> made;
  };

  Maker maker_;
};

}  // namespace vmamba::tests
