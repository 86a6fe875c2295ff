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
#include "vmamba_inference/preprocess.hpp"

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

namespace detail {

inline constexpr std::uintmax_t kMaxManifestBytes = 16 << 20;
inline constexpr std::int64_t kLargestSide = 1 << 16;
inline constexpr std::int64_t kSpecification = 2;  // of docs/preprocessing.md

inline std::int64_t side_of(const nlohmann::json &value) {
  const auto side = value.get<std::int64_t>();
  if (side < 1 || side > kLargestSide)
    throw std::out_of_range("a side of an image is out of range");
  return side;
}

inline Filter filter_named(const std::string &name) {
  for (const Filter &filter : kFilters) {
    if (name == filter.name) return filter;
  }
  throw integrity_error("the manifest's interpolation " + name + " is not one of this release",
                        "use the release that wrote it, or export again");
}

inline void check_channels(const Preprocessing &spec) {
  if (spec.mean.empty() || spec.mean.size() != spec.std.size())
    throw std::out_of_range("mean and std must have one value for each channel");
  for (std::size_t i = 0; i < spec.mean.size(); ++i) {
    if (!std::isfinite(spec.mean[i]) || !std::isfinite(spec.std[i]) || spec.std[i] <= 0.0F)
      throw std::out_of_range("mean and std must be finite, and std above 0");
  }
}

inline Preprocessing preprocessing_of(const nlohmann::json &fields) {
  Preprocessing spec;
  spec.crop_height = side_of(fields.at("crop_pixels").at(0));
  spec.crop_width = side_of(fields.at("crop_pixels").at(1));
  spec.resize_pixels = side_of(fields.at("resize_pixels"));
  spec.filter = filter_named(fields.at("interpolation").get<std::string>());
  spec.mean = fields.at("mean").get<std::vector<float>>();
  spec.std = fields.at("std").get<std::vector<float>>();
  check_channels(spec);
  spec.normalisation_in_graph = fields.value("normalisation_in_graph", false);
  spec.stretched = fields.value("stretched", false);
  const bool earliest =
      spec.filter.name == std::string("bicubic") && spec.channels() == kRgb && !spec.stretched;
  const auto version = fields.value("specification", std::int64_t{1});
  if (version < (earliest ? 1 : kSpecification) || version > kSpecification) {
    throw integrity_error("the manifest's preprocessing (specification " + std::to_string(version) +
                              ", " + spec.filter.name + ", " + std::to_string(spec.channels()) +
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

inline EngineFacts engine_of(const nlohmann::json &fields) {
  EngineFacts engine;
  engine.built = fields.at("built").get<bool>();
  engine.reason = text_or_empty(fields, "reason");
  if (!engine.built) return engine;
  engine.flavour = fields.at("flavour").get<std::string>();
  engine.version = fields.at("version").get<std::string>();
  engine.compute_capabilities = fields.at("compute_capabilities").get<std::vector<std::string>>();
  engine.version_compatible = fields.value("version_compatible", false);
  engine.hardware_compatible = fields.value("hardware_compatible", false);
  engine.weights_stripped = fields.value("weights_stripped", false);
  engine.plugin_embedded = fields.at("plugin").at("delivery").get<std::string>() == "embedded";
  engine.smallest_batch = fields.at("profile").at("min").at(0).get<std::int64_t>();
  engine.largest_batch = fields.at("profile").at("max").at(0).get<std::int64_t>();
  return engine;
}

inline Manifest manifest_of(const nlohmann::json &document, const std::filesystem::path &folder) {
  Manifest manifest;
  manifest.folder = folder;
  manifest.status = document.at("status").get<std::string>();
  manifest.status_reason = text_or_empty(document, "status_reason");
  manifest.preset = document.at("preset").get<std::string>();
  manifest.task = document.value("task", manifest.task);
  manifest.precision = document.at("precision").get<std::string>();
  for (const auto &[name, facts] : document.at("files").items()) {
    manifest.files[name] = {facts.at("sha256").get<std::string>(),
                            facts.at("size_bytes").get<std::uintmax_t>()};
  }
  manifest.engine = engine_of(document.at("engine"));
  manifest.preprocessing = preprocessing_of(document.at("preprocessing"));
  const nlohmann::json &labels = document.at("labels");
  if (!labels.is_null()) manifest.labels = labels.get<std::vector<std::string>>();
  manifest.activation = text_or_empty(document, "activation");
  if (!manifest.activation.empty() && manifest.activation != "softmax" &&
      manifest.activation != "sigmoid") {
    throw std::out_of_range("activation is neither softmax nor sigmoid");
  }
  return manifest;
}

// nlohmann::json parses any depth without recursion but destroys by it: a limit keeps that safe.
inline nlohmann::json parse_json(const Bytes &text) {
  constexpr int kDeepest = 64;
  const auto shallow = [](int depth, nlohmann::json::parse_event_t, nlohmann::json &) {
    if (depth > kDeepest) throw std::out_of_range("it is nested too deeply");
    return true;
  };
  return nlohmann::json::parse(text.begin(), text.end(), shallow);
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
