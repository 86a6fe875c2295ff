// An artefact folder for detection, opened: a picture in, what is in it out.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "vmamba_inference/error.hpp"
#include "vmamba_inference/manifest.hpp"
#include "vmamba_inference/masks.hpp"
#include "vmamba_inference/open_session.hpp"
#include "vmamba_inference/prepared_picture.hpp"
#include "vmamba_inference/session.hpp"
#include "vmamba_inference/verify.hpp"

namespace vmamba_inference {

struct Detection {
  std::int32_t label = 0;
  std::string name;  // the number as text where the folder has no names
  float score = 0.0F;
  Box box{};                 // in pixels of the picture itself
  std::vector<float> cells;  // [side,side]: how probably each cell of the box belongs to it
  std::size_t side = 0;
};

struct Detections {
  Size size;                     // of the picture
  std::vector<Detection> found;  // by falling score
  bool exact = false;            // false: another detection may have been kept or left out
};

// Any thread may call any method: ONNX Runtime runs the calls side by side, TensorRT one by one.
class Detector {
 public:
  // Throws Error: kUsage where the folder is for another task, kIntegrity where it is not what its
  // manifest says, kEnvironment where the runtime or a GPU is missing.
  explicit Detector(const std::filesystem::path &folder, const Options &options = {})
      : manifest_(read_manifest(folder)) {
    require_task(manifest_, "detection");
    if (options.verify_files) verify_files(manifest_);
    session_ = open_session(manifest_, options);
  }

  const Manifest &manifest() const { return manifest_; }
  std::string runtime() const { return session_->runtime(); }

  // Throws Error(kBadInput), whose message names the file.
  Detections detect(const std::filesystem::path &image, double score_threshold = 0.0) const {
    return detect(prepare(image, manifest_.preprocessing), score_threshold);
  }

  Detections detect(const PreparedPicture &picture, double score_threshold = 0.0) const {
    const Outputs outputs = run_one(*session_, picture);
    for (const char *const name : {"boxes", "scores", "masks"}) require_finite(outputs.at(name));
    const std::vector<float> &scores = outputs.at("scores").values;
    const std::size_t slots = outputs.at("scores").shape.at(1);
    const auto count = std::clamp<std::int64_t>(outputs.at("count").integers.at(0), 0,
                                                static_cast<std::int64_t>(slots));
    Detections all{picture.original, {}, outputs.at("exact").integers.at(0) != 0};
    for (std::size_t i = 0; i < static_cast<std::size_t>(count); ++i) {
      if (scores[i] >= score_threshold) all.found.push_back(detection(outputs, i, picture));
    }
    return all;
  }

 private:
  static void require_finite(const Array &array) {
    const bool finite = std::all_of(array.values.begin(), array.values.end(),
                                    [](float value) { return std::isfinite(value); });
    if (finite) return;
    throw input_file_error("the model gave detections that are not finite",
                           "export it in fp32 or bf16, and look at the parity report");
  }

  Detection detection(const Outputs &outputs, std::size_t slot,
                      const PreparedPicture &picture) const {
    const auto scale = [](std::int64_t resized, std::int64_t original) {
      return static_cast<float>(static_cast<double>(resized) / static_cast<double>(original));
    };
    const float across = scale(picture.resized.width, picture.original.width);
    const float down = scale(picture.resized.height, picture.original.height);
    const float *const sides = outputs.at("boxes").values.data() + 4 * slot;
    const Array &masks = outputs.at("masks");
    Detection one;
    one.label = outputs.at("labels").integers.at(slot);
    one.name = class_label(manifest_, static_cast<std::size_t>(one.label));
    one.score = outputs.at("scores").values[slot];
    one.box = {sides[0] / across, sides[1] / down, sides[2] / across, sides[3] / down};
    one.side = masks.shape.at(3);
    const float *const cells = masks.values.data() + slot * one.side * one.side;
    one.cells.assign(cells, cells + one.side * one.side);
    return one;
  }

  Manifest manifest_;
  std::unique_ptr<Session> session_;
};

}  // namespace vmamba_inference
