// An artefact folder for segmentation, opened: a picture in, the classes of its pixels out.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "vmamba_inference/error.hpp"
#include "vmamba_inference/label_maps.hpp"
#include "vmamba_inference/manifest.hpp"
#include "vmamba_inference/open_session.hpp"
#include "vmamba_inference/prepared_picture.hpp"
#include "vmamba_inference/session.hpp"
#include "vmamba_inference/verify.hpp"

namespace vmamba_inference {

struct Segmentation {
  Size size;                         // the picture's own
  std::vector<std::int32_t> labels;  // row by row
  // Found as the published evaluation does, from logits, or without a resize; else the nearest
  // labels of the network's input, which differ at borders.
  bool exact = false;
};

// Any thread may call any method: ONNX Runtime runs the calls side by side, TensorRT one by one.
class Segmenter {
 public:
  // Throws Error: kUsage where the folder is for another task, kIntegrity where it is not what its
  // manifest says, kEnvironment where the runtime or a GPU is missing.
  explicit Segmenter(const std::filesystem::path &folder, const Options &options = {})
      : manifest_(read_manifest(folder)) {
    require_task(manifest_, "segmentation");
    if (options.verify_files) verify_files(manifest_);
    session_ = open_session(manifest_, options);
  }

  const Manifest &manifest() const { return manifest_; }
  std::string runtime() const { return session_->runtime(); }
  // The name of a class; its number as text where the folder has no names.
  std::string label(std::size_t index) const { return class_label(manifest_, index); }

  // Throws Error(kBadInput), whose message names the file.
  Segmentation segment(const std::filesystem::path &image) const {
    return segment(prepare(image, manifest_.preprocessing));
  }

  Segmentation segment(const PreparedPicture &picture) const {
    const Outputs outputs = run_one(*session_, picture);
    const auto logits = outputs.find("logits");
    if (logits == outputs.end()) {
      const std::int32_t *const map = outputs.at("labels").integers.data();
      return {picture.original,
              labels_from_map(map, picture.padded, picture.resized, picture.original),
              picture.resized == picture.original};
    }
    const std::vector<std::size_t> &shape = logits->second.shape;
    const Size size{static_cast<std::int64_t>(shape.at(2)), static_cast<std::int64_t>(shape.at(3))};
    return {picture.original,
            labels_from_logits(logits->second.values.data(), shape[1], size, picture.padded,
                               picture.resized, picture.original),
            true};
  }

 private:
  Manifest manifest_;
  std::unique_ptr<Session> session_;
};

}  // namespace vmamba_inference
