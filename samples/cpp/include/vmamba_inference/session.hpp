// How an artefact folder is opened, and what every runtime then offers: a batch of images in, the
// network's outputs by name.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "vmamba_inference/error.hpp"
#include "vmamba_inference/image.hpp"

namespace vmamba_inference {

enum class Runtime { kAuto, kTensorRt, kTensorRtRtx, kOnnxRuntime };

struct Options {
  Runtime runtime = Runtime::kAuto;
  bool cuda = false;         // ONNX Runtime on the GPU instead of the CPU
  int threads = 0;           // of ONNX Runtime on the CPU; 0: its own choice
  bool cuda_graphs = true;   // TensorRT: replay batches of an unchanged size
  bool verify_files = true;  // against the manifest; an engine is code and always compared
};

// "auto", "trt", "rtx" or "ort".
inline Runtime runtime_named(const std::string &name) {
  if (name == "auto") return Runtime::kAuto;
  if (name == "trt") return Runtime::kTensorRt;
  if (name == "rtx") return Runtime::kTensorRtRtx;
  if (name == "ort") return Runtime::kOnnxRuntime;
  throw usage_error("there is no runtime '" + name + "'", "one of auto, trt, rtx, ort");
}

// Images one after the other, each in the network's own layout: float32 [C,H,W] or uint8 [H,W,C].
struct PixelBatch {
  std::size_t images = 0;
  std::vector<std::uint8_t> bytes;
};

// What one execution takes: images of one size, one after the other, in the network's own layout.
struct Feed {
  const std::uint8_t *pixels = nullptr;
  std::size_t images = 0;
  Size size;  // of each in `pixels`
  // For a network that takes `sizes`: height and width of each picture before it was padded; empty
  // where every picture fills its image.
  std::vector<std::int64_t> sizes;
};

inline std::vector<std::int64_t> completed_sizes(const Feed &feed) {
  if (!feed.sizes.empty()) {
    if (feed.sizes.size() == 2 * feed.images) return feed.sizes;
    throw usage_error("sizes has a height and a width for each image");
  }
  std::vector<std::int64_t> sizes;
  for (std::size_t i = 0; i < feed.images; ++i) {
    sizes.insert(sizes.end(), {feed.size.height, feed.size.width});
  }
  return sizes;
}

// Row by row; the first of `shape` is the number of images.
struct Array {
  std::vector<std::size_t> shape;
  std::vector<float> values;           // of float32
  std::vector<std::int32_t> integers;  // of int32
};

inline constexpr char kSizesName[] = "sizes";  // of the input beside the images

// By the names in the graph: `logits` of a classifier, `feature0` to `feature3` of a backbone.
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
  virtual Outputs run(const Feed &feed) = 0;
};

}  // namespace vmamba_inference
