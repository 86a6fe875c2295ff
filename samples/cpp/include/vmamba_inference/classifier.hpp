// An artefact folder, opened: images in, labels and probabilities out.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <memory>
#include <numeric>
#include <string>
#include <utility>
#include <vector>

#include "vmamba_inference/error.hpp"
#include "vmamba_inference/manifest.hpp"
#include "vmamba_inference/open_session.hpp"
#include "vmamba_inference/preprocess.hpp"
#include "vmamba_inference/read_image.hpp"
#include "vmamba_inference/session.hpp"
#include "vmamba_inference/verify.hpp"

namespace vmamba_inference {

// Put an image of the network's size into place `index` of a batch.
inline void write_pixels(const Image &crop, const Preprocessing &spec, PixelBatch &batch,
                         std::size_t index) {
  const auto each = static_cast<std::size_t>(spec.bytes_per_image());
  if (crop.height != spec.crop_height || crop.width != spec.crop_width ||
      crop.channels != spec.channels() || batch.bytes.size() < (index + 1) * each) {
    throw usage_error(
        "the image has another size or depth than the network's, or the batch no place " +
            std::to_string(index),
        "resize_and_crop gives the size; a place has bytes_per_image()");
  }
  std::uint8_t *const out = batch.bytes.data() + index * each;
  if (spec.normalisation_in_graph) {
    std::copy(crop.pixels.begin(), crop.pixels.end(), out);
    return;
  }
  std::vector<float> values(static_cast<std::size_t>(spec.values_per_image()));
  normalise(crop, spec, values.data());
  std::memcpy(out, values.data(), values.size() * sizeof(float));
}

// What the network gets of image files. Throws Error(kBadInput), whose message names the file.
inline PixelBatch pixels_of(const std::vector<std::filesystem::path> &images,
                            const Preprocessing &spec) {
  PixelBatch batch{images.size(), {}};
  batch.bytes.resize(images.size() * static_cast<std::size_t>(spec.bytes_per_image()));
  for (std::size_t i = 0; i < images.size(); ++i) {
    write_pixels(resize_and_crop(read_image(images[i], spec.channels()), spec), spec, batch, i);
  }
  return batch;
}

struct Prediction {
  std::size_t index = 0;
  std::string label;  // the index as text where the folder has no labels
  double probability = 0.0;
};

// The `count` largest of one row of logits as (index, probability), the first of equals first;
// the probability is the softmax, or each logit's sigmoid.
inline std::vector<std::pair<std::size_t, double>> top_of(const float *logits, std::size_t classes,
                                                          std::size_t count, bool sigmoid) {
  std::vector<std::size_t> order(classes);
  std::iota(order.begin(), order.end(), std::size_t{0});
  count = std::min(count, classes);
  std::partial_sort(order.begin(), order.begin() + static_cast<std::ptrdiff_t>(count), order.end(),
                    [logits](std::size_t a, std::size_t b) {
                      return logits[a] != logits[b] ? logits[a] > logits[b] : a < b;
                    });
  const double largest = *std::max_element(logits, logits + classes);
  double sum = 0.0;
  for (std::size_t i = 0; i < classes; ++i) sum += std::exp(logits[i] - largest);
  std::vector<std::pair<std::size_t, double>> top;
  for (std::size_t i = 0; i < count; ++i) {
    const double logit = logits[order[i]];
    top.emplace_back(order[i],
                     sigmoid ? 1.0 / (1.0 + std::exp(-logit)) : std::exp(logit - largest) / sum);
  }
  return top;
}

// Any thread may call any method: ONNX Runtime runs the calls side by side, TensorRT one by one.
class Classifier {
 public:
  // Throws Error: kUsage where the folder is no classifier, kIntegrity where the folder is not what
  // its manifest says, kEnvironment where the runtime or a GPU is missing.
  explicit Classifier(const std::filesystem::path &folder, const Options &options = {})
      : manifest_(read_manifest(folder)) {
    if (manifest_.task != "classification") {
      throw usage_error(folder.string() + " is no classifier: its task is " + manifest_.task,
                        "open_session gives the outputs of any task by name");
    }
    if (options.verify_files) verify_files(manifest_);
    session_ = open_session(manifest_, options);
  }

  const Manifest &manifest() const { return manifest_; }
  const Preprocessing &preprocessing() const { return manifest_.preprocessing; }
  std::string runtime() const { return session_->runtime(); }
  std::size_t max_batch() const { return session_->max_batch(); }

  // Throws Error(kBadInput), whose message names the file.
  PixelBatch preprocess(const std::vector<std::filesystem::path> &images) const {
    return pixels_of(images, preprocessing());
  }

  // Put an image of the network's size into place `index` of a batch.
  void write_pixels(const Image &crop, PixelBatch &batch, std::size_t index) const {
    vmamba_inference::write_pixels(crop, preprocessing(), batch, index);
  }

  // Any number of images; they are run in parts of at most max_batch().
  Logits operator()(const PixelBatch &batch) const {
    const auto each = static_cast<std::size_t>(preprocessing().bytes_per_image());
    if (batch.images == 0 || batch.bytes.size() != batch.images * each) {
      throw usage_error("a batch of " + std::to_string(batch.images) + " images must have " +
                        std::to_string(batch.images * each) + " bytes, and at least one image");
    }
    Logits all;
    for (std::size_t start = 0; start < batch.images; start += max_batch()) {
      const std::size_t count = std::min(max_batch(), batch.images - start);
      const Logits part = run_part(batch.bytes.data() + start * each, count, each);
      all.classes = part.classes;
      all.images += count;
      all.values.insert(all.values.end(), part.values.begin(),
                        part.values.begin() + static_cast<std::ptrdiff_t>(count * part.classes));
    }
    return all;
  }

  // What turns logits of so many classes into probabilities: softmax or sigmoid.
  std::string activation(std::size_t classes) const {
    if (!manifest_.activation.empty()) return manifest_.activation;
    return classes == 1 ? "sigmoid" : "softmax";
  }

  // Of equal probabilities the lower index goes first.
  std::vector<std::vector<Prediction>> top(const Logits &logits, std::size_t count = 5) const {
    if (!std::all_of(logits.values.begin(), logits.values.end(),
                     [](float value) { return std::isfinite(value); })) {
      throw input_file_error("the model gave logits that are not finite",
                             "export it in fp32 or bf16, and look at the parity report");
    }
    const bool sigmoid = activation(logits.classes) == "sigmoid";
    std::vector<std::vector<Prediction>> all(logits.images);
    for (std::size_t i = 0; i < logits.images; ++i) {
      for (const auto &[index, probability] :
           top_of(logits.row(i), logits.classes, count, sigmoid)) {
        all[i].push_back({index, class_label(manifest_, index), probability});
      }
    }
    return all;
  }

  std::vector<std::vector<Prediction>> classify(const std::vector<std::filesystem::path> &images,
                                                std::size_t count = 5) const {
    return top((*this)(preprocess(images)), count);
  }

 private:
  // A part smaller than the network takes is filled up with its last image.
  Logits run_part(const std::uint8_t *pixels, std::size_t count, std::size_t each) const {
    const std::size_t needed = std::max(count, session_->min_batch());
    if (needed == count)
      return logits_of(session_->run({pixels, count, preprocessing().crop(), {}}));
    std::vector<std::uint8_t> filled(needed * each);
    for (std::size_t i = 0; i < needed; ++i) {
      std::memcpy(filled.data() + i * each, pixels + std::min(i, count - 1) * each, each);
    }
    return logits_of(session_->run({filled.data(), needed, preprocessing().crop(), {}}));
  }

  static Logits logits_of(Outputs outputs) {
    const auto found = outputs.find("logits");
    if (found == outputs.end() || found->second.shape.size() != 2 || found->second.shape[1] < 1) {
      throw integrity_error("the model does not give logits as float32 [batch,classes]");
    }
    Array &array = found->second;
    return {array.shape[0], array.shape[1], std::move(array.values)};
  }

  Manifest manifest_;
  std::unique_ptr<Session> session_;
};

}  // namespace vmamba_inference
