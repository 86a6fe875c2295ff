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
  TensorFacts tensor{
      fields.at("name").get<std::string>(),
      one_of(fields.at("dtype"), {"uint8", "int32", "int64", "float16", "float32", "float64"}),
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

// A tensor that a task has: its name, whether it is a float, else its dtype, and its axes.
struct Wanted {
  const char *name;
  const char *dtype;
  std::size_t axes;
};

inline bool is_float(const std::string &dtype) { return dtype.rfind("float", 0) == 0; }

inline bool are(const std::vector<TensorFacts> &tensors, const std::vector<Wanted> &wanted) {
  const auto is = [](const TensorFacts &tensor, const Wanted &one) {
    const bool fits = is_float(one.dtype) ? is_float(tensor.dtype) : tensor.dtype == one.dtype;
    return tensor.name == one.name && tensor.shape.size() == one.axes && fits;
  };
  return std::equal(tensors.begin(), tensors.end(), wanted.begin(), wanted.end(), is);
}

// What the tasks of this release give, older releases' names and optional outputs among it.
inline std::vector<std::vector<Wanted>> outputs_of(const std::string &task) {
  if (task == "classification") return {{{"logits", "float32", 2}}};
  if (task == "features") {
    return {{{"feature0", "float32", 4},
             {"feature1", "float32", 4},
             {"feature2", "float32", 4},
             {"feature3", "float32", 4}},
            {{"stage1", "float32", 4},
             {"stage2", "float32", 4},
             {"stage3", "float32", 4},
             {"stage4", "float32", 4}}};
  }
  if (task == "segmentation") {
    return {{{"labels", "int32", 3}}, {{"labels", "int32", 3}, {"logits", "float32", 4}}};
  }
  if (task == "detection") {
    return {{{"boxes", "float32", 3},
             {"scores", "float32", 2},
             {"labels", "int32", 2},
             {"count", "int32", 1},
             {"masks", "float32", 4},
             {"exact", "int32", 1}}};
  }
  return {};
}

inline bool known(const std::string &task) { return !outputs_of(task).empty(); }

inline void check_outputs(const std::vector<TensorFacts> &outputs, const std::string &task) {
  if (!known(task)) return;
  bool fits = false;
  for (const auto &wanted : outputs_of(task)) fits = fits || are(outputs, wanted);
  require(fits, "the outputs are not those of the task");
  require(task != "classification" || outputs[0].shape[1] > 0,
          "the number of classes must be known");
}

// The inputs beside the image.
inline void check_other_inputs(const std::vector<TensorFacts> &inputs, const std::string &task) {
  const std::vector<TensorFacts> others(inputs.begin() + 1, inputs.end());
  const auto wanted =
      task == "detection" ? std::vector<Wanted>{{"sizes", "int64", 2}} : std::vector<Wanted>{};
  require(!known(task) || are(others, wanted), "the other inputs are not those of the task");
}

// Labels and palette have one of each class, where the number of classes is known.
inline void check_classes(const Json &document, const std::vector<TensorFacts> &outputs,
                          const std::string &task) {
  const Json nothing;
  const Json &told = document.contains("num_classes") ? document.at("num_classes") : nothing;
  if (!told.is_null()) whole(told, 1, static_cast<std::int64_t>(kMaxClasses));
  std::int64_t classes = told.is_null() || task == "features" ? -1 : told.get<std::int64_t>();
  if (task == "classification") classes = outputs[0].shape[1];
  // A single logit of pixels stands for two classes, no and yes.
  if (task == "segmentation" && classes == 1) classes = 2;
  const auto one_each = [classes](const Json &list) {
    return list.is_null() || classes < 0 || static_cast<std::int64_t>(list.size()) == classes;
  };
  require(one_each(document.at("labels")), "there are more or fewer labels than classes");
  const Json &palette = document.contains("palette") ? document.at("palette") : nothing;
  require(palette.is_null() || (palette.is_array() && palette.size() <= kMaxClasses),
          "a palette is a list of colours");
  for (const Json &colour : palette) {
    require(colour.is_array() && colour.size() == 3, "a colour is red, green and blue");
    for (const Json &part : colour) whole(part, 0, 255);
  }
  require(one_each(palette), "there are more or fewer colours than classes");
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
