// Whether the files of an artefact folder, and its engine, are what the manifest says. Done before
// any runtime reads a byte of them.
#pragma once

#include <algorithm>
#include <cctype>
#include <cstdint>
#include <filesystem>
#include <sstream>
#include <string>
#include <system_error>
#include <vector>

#include "vmamba_inference/error.hpp"
#include "vmamba_inference/file.hpp"
#include "vmamba_inference/manifest.hpp"

namespace vmamba_inference {

// "10.14.1" -> {10, 14, 1}; what is no number is left out.
inline std::vector<std::int64_t> numbers_of(const std::string &dotted) {
  std::vector<std::int64_t> numbers;
  std::istringstream parts(dotted);
  for (std::string part; std::getline(parts, part, '.');) {
    const bool digits =
        !part.empty() && part.size() < 10 &&
        std::all_of(part.begin(), part.end(), [](unsigned char c) { return std::isdigit(c) != 0; });
    if (digits) numbers.push_back(std::stoll(part));
  }
  return numbers;
}

namespace detail {

inline constexpr char kRebuild[] =
    "export again, or build an engine for this machine with `vmamba-deploy build`";

// What a runtime loads by its name, and executes.
inline constexpr const char *kCodeNames[] = {"model.engine",       "model.pt2",
                                             "libvmamba_ort.so",   "libvmamba_trt.so",
                                             "libvmamba_torch.so", "libvmamba_openvino.so"};

inline void verify_file(const std::filesystem::path &path, const std::string &name,
                        const FileFacts &expected) {
  if (!std::filesystem::is_regular_file(path)) {
    throw integrity_error(name + " is missing from " + path.parent_path().string(), "export again");
  }
  const std::uintmax_t size = std::filesystem::file_size(path);
  if (size != expected.size_bytes) {
    throw integrity_error(
        name + " has " + std::to_string(size) + " bytes, the manifest says " +
            std::to_string(expected.size_bytes),
        "the file was changed or cut short; copy the whole folder again, or export again");
  }
  const std::string digest = sha256_of(path);
  if (digest != expected.sha256) {
    throw integrity_error(name + " has sha256 " + digest.substr(0, 16) + "..., the manifest says " +
                              expected.sha256.substr(0, 16) + "...",
                          "the file was changed after the export; do not load it");
  }
}

// Exact, unless built version-compatible: then the same or a later major version reads it.
inline bool version_fits(const EngineFacts &engine, const std::string &version) {
  if (version == engine.version) return true;
  const auto built = numbers_of(engine.version), here = numbers_of(version);
  return engine.version_compatible && !built.empty() && !here.empty() && here[0] >= built[0];
}

// Listed, or newer than the oldest listed when hardware-compatible; an empty list fits any.
inline bool gpu_fits(const EngineFacts &engine, const std::string &capability) {
  const auto &targets = engine.compute_capabilities;
  if (targets.empty() || std::find(targets.begin(), targets.end(), capability) != targets.end()) {
    return true;
  }
  std::vector<std::int64_t> oldest = numbers_of(targets.front());
  for (const std::string &target : targets) oldest = std::min(oldest, numbers_of(target));
  return engine.hardware_compatible && numbers_of(capability) >= oldest;
}

}  // namespace detail

// Why the engine cannot run on this TensorRT and this GPU, as one sentence, and empty where it can.
// What is empty is not asked. tests/data/engine_fits.json holds this and Python's to one table.
inline std::string misfit(const EngineFacts &engine, const std::string &flavour,
                          const std::string &version, const std::string &capability) {
  if (!engine.built) return "this folder has no engine: " + engine.reason;
  if (!flavour.empty() && flavour != engine.flavour) {
    return "the engine is for " + engine.flavour + ", not " + flavour;
  }
  if (!version.empty() && !detail::version_fits(engine, version)) {
    return "the engine was built by " + engine.flavour + " " + engine.version +
           ", this machine has " + version;
  }
  if (!capability.empty() && !detail::gpu_fits(engine, capability)) {
    std::string targets;
    for (const std::string &target : engine.compute_capabilities) targets += target + ", ";
    return "the engine is for GPUs of compute capability " + targets + "this one has " + capability;
  }
  return "";
}

inline void require_fit(const EngineFacts &engine, const std::string &flavour,
                        const std::string &version, const std::string &capability) {
  const std::string reason = misfit(engine, flavour, version, capability);
  if (!reason.empty()) throw integrity_error(reason, detail::kRebuild);
}

// Check every file of the folder, and that no code lies there which the manifest does not list.
inline void verify_files(const Manifest &manifest) {
  if (manifest.status == "failed") {
    throw integrity_error("the artefacts in " + manifest.folder.string() +
                              " are marked as failed: " + manifest.status_reason,
                          "look at report.html, and do not deploy them");
  }
  for (const auto &[name, expected] : manifest.files) {
    try {
      detail::verify_file(detail::inside_folder(manifest.folder, name), name, expected);
    } catch (const std::system_error &error) {
      throw integrity_error(name + " cannot be read: " + error.code().message());
    }
  }
  for (const char *name : detail::kCodeNames) {
    const std::filesystem::path path = manifest.folder / name;
    std::error_code unreadable;
    if (manifest.files.count(name) == 0 &&
        std::filesystem::exists(std::filesystem::symlink_status(path, unreadable))) {
      throw integrity_error(std::string(name) + " lies in " + manifest.folder.string() +
                                ", and the manifest does not list it",
                            "it would be executed: remove it, or copy the whole folder again");
    }
  }
}

// Check that there is an engine for this flavour and version of TensorRT, with its weights.
inline void verify_engine(const Manifest &manifest, const std::string &flavour,
                          const std::string &version) {
  const EngineFacts &engine = manifest.engine;
  require_fit(engine, "", "", "");
  if (manifest.files.count("model.engine") == 0) {
    throw integrity_error("the manifest of " + manifest.folder.string() +
                          " does not list model.engine");
  }
  if (engine.weights_stripped) {
    throw usage_error((manifest.folder / "model.engine").string() + " has no weights",
                      "refit it from the ONNX file first");
  }
  require_fit(engine, flavour, version, "");
}

// Check that the engine is for a GPU of this compute capability, "8.6".
inline void verify_gpu(const EngineFacts &engine, const std::string &capability) {
  require_fit(engine, "", "", capability);
}

}  // namespace vmamba_inference
