// What every runtime offers: a batch of images in, the network's outputs by name.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace vmamba_inference {

// Images one after the other, each in the network's own layout: float32 [3,H,W] or uint8 [H,W,3].
struct PixelBatch {
  std::size_t images = 0;
  std::vector<std::uint8_t> bytes;
};

// float32, row by row; the first of `shape` is the number of images.
struct Array {
  std::vector<std::size_t> shape;
  std::vector<float> values;
};

// By the names in the graph: `logits` of a classifier, `stage1` to `stage4` of a backbone.
using Outputs = std::map<std::string, Array>;

// float32 [images, classes].
struct Logits {
  std::size_t images = 0;
  std::size_t classes = 0;
  std::vector<float> values;

  const float *row(std::size_t image) const { return values.data() + image * classes; }
};

class Session {
 public:
  Session() = default;
  virtual ~Session() = default;
  Session(const Session &) = delete;
  Session &operator=(const Session &) = delete;

  // onnxruntime, onnxruntime-cuda, tensorrt or tensorrt_rtx.
  virtual std::string runtime() const = 0;
  // The most images that one execution takes, and the fewest.
  virtual std::size_t max_batch() const = 0;
  virtual std::size_t min_batch() const = 0;
  // Run min_batch()..max_batch() images. Any thread may call.
  virtual Outputs run(const std::uint8_t *pixels, std::size_t images) = 0;
};

}  // namespace vmamba_inference
