// What a manifest may hold, so that what passes can be used: the rules of
// vmamba_deploy/artifacts/manifest.py. tests/data/bad_manifests.json holds both to one table.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <limits>
#include <stdexcept>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

namespace vmamba_inference::detail {

using Json = nlohmann::json;

inline constexpr std::size_t kMaxFiles = 4096;
inline constexpr std::size_t kMaxClasses = 1 << 20;
inline constexpr std::size_t kMaxTensors = 64;
inline constexpr std::int64_t kLargest = std::numeric_limits<std::int64_t>::max();

inline void require(bool holds, const char *rule) {
  if (!holds) throw std::out_of_range(rule);
}

inline std::int64_t whole(const Json &value, std::int64_t least, std::int64_t most = kLargest) {
  require(value.is_number_integer(), "a number is not whole, or has more than 64 bits");
  const bool fits = !value.is_number_unsigned() ||
                    value.get<std::uint64_t>() <= static_cast<std::uint64_t>(kLargest);
  require(fits && value.get<std::int64_t>() >= least && value.get<std::int64_t>() <= most,
          "a number is out of range");
  return value.get<std::int64_t>();
}

inline std::string one_of(const Json &value, std::initializer_list<const char *> names) {
  const auto name = value.get<std::string>();
  require(std::find(names.begin(), names.end(), name) != names.end(), "an unknown name");
  return name;
}

inline std::string sha256_text(const Json &value) {
  const auto text = value.get<std::string>();
  require(text.size() == 64 && text.find_first_not_of("0123456789abcdef") == std::string::npos,
          "a sha256 has 64 hexadecimal digits");
  return text;
}

inline void only(const Json &object, std::initializer_list<const char *> names) {
  require(object.is_object(), "an object is expected");
  for (const auto &field : object.items()) {
    const auto known = [&field](const char *name) { return field.key() == name; };
    require(std::any_of(names.begin(), names.end(), known), "a field that nobody knows");
  }
}

inline void check_file_name(const std::string &name) {
  require(!name.empty() && name.find_first_of(":\\") == std::string::npos && name[0] != '/',
          "a file has no name that every system takes");
}

// Name, dtype and axes of an input or output; the axes that are free are -1.
struct TensorFacts {
  std::string name;
  std::string dtype;
  std::vector<std::int64_t> shape;
};

inline TensorFacts tensor_of(const Json &fields) {
  only(fields, {"name", "dtype", "shape"});
  TensorFacts tensor{fields.at("name").get<std::string>(),
                     one_of(fields.at("dtype"), {"uint8", "float16", "float32", "float64"}),
                     {}};
  require(!tensor.name.empty() && fields.at("shape").is_array(), "a tensor has a name and axes");
  for (const Json &axis : fields.at("shape")) {
    require(!axis.is_string() || !axis.get_ref<const std::string &>().empty(), "an axis is empty");
    tensor.shape.push_back(axis.is_string() ? -1 : whole(axis, 1));
  }
  return tensor;
}

inline std::vector<TensorFacts> tensors_of(const Json &values) {
  require(values.is_array() && !values.empty() && values.size() <= kMaxTensors,
          "a network has inputs and outputs");
  std::vector<TensorFacts> tensors;
  for (const Json &value : values) tensors.push_back(tensor_of(value));
  return tensors;
}

// The input takes what the preprocessing gives: `given` without the batch.
inline void check_input(const TensorFacts &image, bool bytes,
                        const std::vector<std::int64_t> &given) {
  require(image.dtype == (bytes ? "uint8" : "float32") && image.shape.size() == 4,
          "the first input must be four-dimensional, uint8 or float32");
  for (std::size_t i = 0; i < given.size(); ++i) {
    require(image.shape[i + 1] == -1 || image.shape[i + 1] == given[i],
            "the input takes other sizes than the preprocessing gives");
  }
}

inline void check_outputs(const std::vector<TensorFacts> &outputs, const std::string &task,
                          const Json &labels) {
  if (task == "classification") {
    require(outputs.size() == 1 && outputs[0].name == "logits" && outputs[0].shape.size() == 2,
            "the output of classification is logits [batch,classes]");
    const std::int64_t classes = outputs[0].shape[1];
    require(classes > 0, "the number of classes must be known");
    require(labels.is_null() || static_cast<std::int64_t>(labels.size()) == classes,
            "there are more or fewer labels than classes");
  } else if (task == "features") {
    require(outputs.size() == 4, "the outputs of features are feature0 to feature3");
    // Older releases wrote `stage1` to `stage4`.
    const bool former = outputs[0].name == "stage1";
    for (std::size_t i = 0; i < 4; ++i) {
      const std::string name =
          former ? "stage" + std::to_string(i + 1) : "feature" + std::to_string(i);
      require(outputs[i].name == name && outputs[i].shape.size() == 4,
              "the outputs of features are feature0 to feature3, of four axes");
    }
  }
}

// The batch of a shape of the engine's profile, once the three shapes fit each other.
inline void check_profile(const Json &profile) {
  only(profile, {"min", "opt", "max"});
  std::vector<std::int64_t> least(4, 1);
  for (const char *name : {"min", "opt", "max"}) {
    const Json &shape = profile.at(name);
    require(shape.is_array() && shape.size() == 4, "a profile has four sides each");
    for (std::size_t i = 0; i < 4; ++i) least[i] = whole(shape[i], least[i]);
  }
}

}  // namespace vmamba_inference::detail
