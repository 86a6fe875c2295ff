// manifest.json of an artefact folder, read into plain data. See vmamba_deploy/artifacts.
#pragma once

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <stdexcept>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include <nlohmann/json.hpp>

#include "vmamba_inference/error.hpp"
#include "vmamba_inference/file.hpp"
#include "vmamba_inference/manifest_rules.hpp"
#include "vmamba_inference/preprocess.hpp"
#include "vmamba_inference/strict_json.hpp"
#include "vmamba_inference/text.hpp"

namespace vmamba_inference {

struct FileFacts {
  std::string sha256;
  std::uintmax_t size_bytes = 0;
};

// The manifest's `engine`; without one, `built` is false and `reason` says why.
struct EngineFacts {
  bool built = false;
  std::string reason;
  std::string flavour;  // tensorrt or tensorrt_rtx
  std::string version;
  std::vector<std::string> compute_capabilities;  // empty: all that the flavour takes
  bool version_compatible = false;
  bool hardware_compatible = false;
  bool weights_stripped = false;
  bool plugin_embedded = false;
  std::int64_t smallest_batch = 1;
  std::int64_t largest_batch = 1;
};

struct Manifest {
  std::filesystem::path folder;
  std::string status;
  std::string status_reason;
  std::string preset;
  std::string task = "classification";  // or features, and what later releases add
  std::string precision;
  std::map<std::string, FileFacts> files;
  EngineFacts engine;
  Preprocessing preprocessing;
  std::optional<std::vector<std::string>> labels;
  std::string activation;  // softmax or sigmoid; empty: sigmoid of a single logit, else softmax
};

// The name of a class; its number as text where the folder has no names.
inline std::string class_label(const Manifest &manifest, std::size_t index) {
  const bool named = manifest.labels && index < manifest.labels->size();
  return named ? (*manifest.labels)[index] : std::to_string(index);
}

// Throws Error(kUsage) where the folder is for another task.
inline void require_task(const Manifest &manifest, const std::string &task) {
  if (manifest.task == task) return;
  throw usage_error(
      manifest.folder.string() + " is not for " + task + ": its task is " + manifest.task,
      "open_session gives the outputs of any task by name");
}

namespace detail {

inline constexpr std::uintmax_t kMaxManifestBytes = 16 << 20;
inline constexpr std::int64_t kLargestSide = 1 << 16;
inline constexpr std::int64_t kSpecification = 3;  // of docs/preprocessing.md
inline constexpr const char *kOpencvBilinear =
    "opencv_bilinear";  // goes with `fit`, as that with it

inline constexpr double kLeastStd = 1e-6;

inline Filter filter_named(const std::string &name) {
  for (const Filter &filter : kFilters) {
    if (name == filter.name) return filter;
  }
  throw integrity_error("the manifest's interpolation " + name + " is not one of this release",
                        "use the release that wrote it, or export again");
}

inline std::vector<float> numbers_from(const nlohmann::json &values, double least) {
  require(values.is_array(), "mean and std are lists");
  std::vector<float> numbers;
  for (const nlohmann::json &value : values) {
    require(value.is_number() && value.get<double>() >= least, "a mean or std is out of range");
    numbers.push_back(static_cast<float>(value.get<double>()));
  }
  return numbers;
}

inline void check_channels(const Preprocessing &spec) {
  if (spec.mean.empty() || spec.mean.size() != spec.std.size())
    throw std::out_of_range("mean and std must have one value for each channel");
  for (std::size_t i = 0; i < spec.mean.size(); ++i) {
    if (!(spec.mean[i] >= 0.0F && spec.mean[i] <= 1.0F) || !std::isfinite(spec.std[i]) ||
        spec.std[i] <= 0.0F)
      throw std::out_of_range("mean must be 0 to 1, and std finite and at least 1e-6");
  }
}

inline std::optional<Fit> fit_of(const nlohmann::json &fields) {
  const auto sides = fields.find("fit");
  const auto pad = fields.find("pad");
  const bool fixed = fields.value("fixed", false);
  if (sides == fields.end()) {
    require((pad == fields.end() || *pad == 1) && !fixed, "pad and fixed go with fit alone");
    return std::nullopt;
  }
  require(sides->is_array() && sides->size() == 2, "fit has two sides");
  Fit fit;
  fit.longest = whole(sides->at(0), 1, kLargestSide);
  fit.shortest = whole(sides->at(1), 1, fit.longest);
  fit.pad = pad == fields.end() ? 1 : whole(*pad, 1, kLargestSide);
  fit.fixed = fixed;
  return fit;
}

// The earliest that can say it.
inline std::int64_t specification_of(const Preprocessing &spec) {
  if (spec.fit) return 3;
  const bool earliest =
      spec.filter.name == std::string("bicubic") && spec.channels() == kRgb && !spec.stretched;
  return earliest ? 1 : 2;
}

inline Preprocessing preprocessing_of(const nlohmann::json &fields) {
  Preprocessing spec;
  require(fields.at("crop_pixels").size() == 2, "crop_pixels has two sides");
  spec.crop_height = whole(fields.at("crop_pixels").at(0), 1, kLargestSide);
  spec.crop_width = whole(fields.at("crop_pixels").at(1), 1, kLargestSide);
  spec.resize_pixels = whole(fields.at("resize_pixels"), 1, kLargestSide);
  spec.fit = fit_of(fields);
  const auto interpolation = fields.at("interpolation").get<std::string>();
  require(!spec.fit || interpolation == kOpencvBilinear, "what has to fit is opencv_bilinear");
  if (!spec.fit) spec.filter = filter_named(interpolation);
  spec.mean = numbers_from(fields.at("mean"), 0.0);
  spec.std = numbers_from(fields.at("std"), kLeastStd);
  check_channels(spec);
  spec.normalisation_in_graph = fields.value("normalisation_in_graph", false);
  spec.stretched = fields.value("stretched", false);
  if (spec.fit) {
    require(!spec.stretched, "an image that keeps its ratio is not stretched");
    require(!spec.normalisation_in_graph || (spec.fit->pad == 1 && !spec.fit->fixed),
            "bytes have no padding that is zero behind the normalisation");
  }
  const auto version = fields.value("specification", std::int64_t{1});
  if (version < specification_of(spec) || version > kSpecification) {
    throw integrity_error("the manifest's preprocessing (specification " + std::to_string(version) +
                              ", " + interpolation + ", " + std::to_string(spec.channels()) +
                              " channels) is not the one of this release (specification " +
                              std::to_string(kSpecification) + ")",
                          "use the release that wrote it, or export again");
  }
  return spec;
}

inline std::string text_or_empty(const nlohmann::json &object, const char *key) {
  const auto found = object.find(key);
  return found == object.end() || found->is_null() ? "" : found->get<std::string>();
}

// What TensorRT listed of the engine is for people; here it must only be of sense.
inline void check_layers(const nlohmann::json &engine) {
  const auto said = [&](const char *key) {
    return engine.contains(key) && !engine.at(key).is_null();
  };
  if (said("launches")) whole(engine.at("launches"), 1);
  for (const char *names : {"narrow_products", "lone_launches"}) {
    if (said(names)) engine.at(names).get<std::vector<std::string>>();
  }
}

inline EngineFacts engine_of(const nlohmann::json &fields) {
  EngineFacts engine;
  engine.built = fields.at("built").get<bool>();
  engine.reason = text_or_empty(fields, "reason");
  only(fields,
       {"built", "reason", "flavour", "version", "compute_capabilities", "version_compatible",
        "hardware_compatible", "weights_stripped", "plugin_layers", "build_seconds", "profile",
        "plugin", "layers_by_plugin", "launches", "narrow_products", "lone_launches"});
  check_layers(fields);
  if (!engine.built) {
    require(fields.at("reason").is_string(), "an engine that was not built needs a reason");
    return engine;
  }
  engine.flavour = one_of(fields.at("flavour"), {"tensorrt", "tensorrt_rtx"});
  engine.version = fields.at("version").get<std::string>();
  engine.compute_capabilities = fields.at("compute_capabilities").get<std::vector<std::string>>();
  engine.version_compatible = fields.value("version_compatible", false);
  engine.hardware_compatible = fields.value("hardware_compatible", false);
  engine.weights_stripped = fields.value("weights_stripped", false);
  engine.plugin_embedded =
      one_of(fields.at("plugin").at("delivery"), {"beside", "embedded"}) == "embedded";
  check_profile(fields.at("profile"));
  engine.smallest_batch = fields.at("profile").at("min").at(0).get<std::int64_t>();
  engine.largest_batch = fields.at("profile").at("max").at(0).get<std::int64_t>();
  return engine;
}

// Inputs and outputs are those of the preprocessing and the task.
inline void check_network(const nlohmann::json &document, const Manifest &manifest) {
  const nlohmann::json &onnx = document.at("onnx");
  only(onnx, {"opset", "op_sets", "inputs", "outputs"});
  whole(onnx.at("opset"), 1);
  const Preprocessing &spec = manifest.preprocessing;
  const auto channels = static_cast<std::int64_t>(spec.channels());
  // Pictures that have to fit have sizes of their own, so that no side is known before.
  const bool alike = !spec.fit || spec.fit->fixed;
  const std::int64_t height = alike ? spec.crop_height : 0, width = alike ? spec.crop_width : 0;
  const bool bytes = spec.normalisation_in_graph;
  const std::vector<TensorFacts> inputs = tensors_of(onnx.at("inputs"));
  check_input(inputs.front(), bytes,
              bytes ? std::vector<std::int64_t>{height, width, channels}
                    : std::vector<std::int64_t>{channels, height, width});
  check_other_inputs(inputs, manifest.task);
  const std::vector<TensorFacts> outputs = tensors_of(onnx.at("outputs"));
  check_outputs(outputs, manifest.task);
  check_classes(document, outputs, manifest.task);
}

// What was calibrated and quantized is for people, and for the proof; here it must only be of
// sense.
inline void check_calibration(const nlohmann::json &facts) {
  whole(facts.at("samples"), 1);
  require(facts.at("images").is_object(), "images is an object");
  require(facts.value("largest_scan", 0.0) >= 0.0, "largest_scan is not negative");
}

inline void check_quantization(const nlohmann::json &document) {
  if (document.contains("calibration")) {
    only(document.at("calibration"), {"images", "samples", "largest_scan"});
    check_calibration(document.at("calibration"));
  }
  const auto facts = document.find("quantization");
  if (facts == document.end()) return;
  one_of(facts->at("base"), {"fp32", "fp16", "bf16"});
  check_calibration(*facts);
  require(facts->at("layers").is_array(), "layers is a list");
  for (const nlohmann::json &layer : facts->at("layers")) {
    require(!layer.at("name").get<std::string>().empty(), "a layer has a name");
    require(layer.at("largest").get<double>() >= 0.0, "a range is not negative");
    whole(layer.at("multiply_adds"), 0);
  }
}

// The path of a listed file; a name that leads out of the folder is refused. What links in the
// folder lead to, the sha256 vouches for.
inline std::filesystem::path inside_folder(const std::filesystem::path &folder,
                                           const std::string &name) {
  const std::filesystem::path relative(name);
  bool leaves = relative.is_absolute() || name.find('\\') != std::string::npos;
  for (const auto &part : relative) leaves = leaves || part == "..";
  if (leaves) {
    throw integrity_error("the manifest names a file outside its folder: '" + printable(name) +
                          "'");
  }
  return folder / relative;
}

// A user's own network has inputs that are no image of ours, and what they mean nobody knows here.
inline void refuse_networks_of_users(const nlohmann::json &document,
                                     const std::filesystem::path &folder) {
  if (document.value("task", "") != "custom") return;
  throw usage_error(folder.string() + " is of a network of a user's, whose inputs are its own",
                    "run its model.onnx with ONNX Runtime's interface and libvmamba_ort.so, or its "
                    "model.engine with TensorRT's and libvmamba_trt.so: docs/your_network.md");
}

inline Manifest manifest_of(const nlohmann::json &document, const std::filesystem::path &folder) {
  refuse_networks_of_users(document, folder);
  Manifest manifest;
  manifest.folder = folder;
  only(document, {"schema_version", "created", "status", "status_reason", "preset", "precision",
                  "weights", "versions", "onnx", "engine", "preprocessing", "labels", "task",
                  "activation", "palette", "num_classes", "quantization", "calibration", "files"});
  manifest.status = one_of(document.at("status"), {"complete", "unproven", "failed"});
  manifest.status_reason = text_or_empty(document, "status_reason");
  manifest.preset = document.at("preset").get<std::string>();
  manifest.task = document.value("task", manifest.task);
  manifest.precision = one_of(document.at("precision"), {"fp32", "fp16", "bf16", "int8", "fp8"});
  check_quantization(document);
  sha256_text(document.at("weights").at("sha256"));
  require(document.at("versions").is_object(), "versions is an object");
  require(document.at("files").is_object() && document.at("files").size() <= kMaxFiles,
          "files is an object of at most 4,096");
  for (const auto &[name, facts] : document.at("files").items()) {
    only(facts, {"sha256", "size_bytes"});
    inside_folder(folder, name);
    check_file_name(name);
    manifest.files[name] = {sha256_text(facts.at("sha256")),
                            static_cast<std::uintmax_t>(whole(facts.at("size_bytes"), 0))};
  }
  manifest.engine = engine_of(document.at("engine"));
  manifest.preprocessing = preprocessing_of(document.at("preprocessing"));
  const nlohmann::json &labels = document.at("labels");
  if (!labels.is_null()) manifest.labels = labels.get<std::vector<std::string>>();
  require(labels.size() <= kMaxClasses, "there are too many labels");
  check_network(document, manifest);
  manifest.activation = text_or_empty(document, "activation");
  if (!manifest.activation.empty() && manifest.activation != "softmax" &&
      manifest.activation != "sigmoid") {
    throw std::out_of_range("activation is neither softmax nor sigmoid");
  }
  return manifest;
}

inline void check_schema_version(const nlohmann::json &document, const std::string &path) {
  const nlohmann::json version =
      document.is_object() ? document.value("schema_version", nlohmann::json()) : nlohmann::json();
  if (version != 1) {
    throw integrity_error(path + " has schema version " + version.dump() + ", this release reads 1",
                          "use the release that wrote it, or export again");
  }
}

}  // namespace detail

// Read the manifest of a folder; the files it names are not looked at.
inline Manifest read_manifest(const std::filesystem::path &folder) {
  std::error_code unreadable;
  if (!std::filesystem::is_directory(folder, unreadable)) {
    throw input_file_error("there is no folder " + folder.string(),
                           "`vmamba-deploy export` makes one");
  }
  const std::filesystem::path file = folder / "manifest.json";
  const std::string path = file.string();
  try {
    const nlohmann::json document = detail::parse_json(read_file(file, detail::kMaxManifestBytes));
    detail::check_schema_version(document, path);
    return detail::manifest_of(document, folder);
  } catch (const std::system_error &error) {
    const bool absent = error.code() == std::errc::no_such_file_or_directory;
    if (absent) throw integrity_error(folder.string() + " has no manifest.json");
    throw integrity_error(path + " cannot be read: " + error.code().message());
  } catch (const std::length_error &) {
    throw integrity_error(path + " is too large to be a manifest");
  } catch (const std::out_of_range &error) {
    throw integrity_error(path + " does not fit its schema: " + error.what());
  } catch (const nlohmann::json::parse_error &error) {
    throw integrity_error(path + " cannot be read: " + error.what());
  } catch (const nlohmann::json::exception &error) {
    throw integrity_error(path + " does not fit its schema: " + error.what());
  }
}

}  // namespace vmamba_inference
