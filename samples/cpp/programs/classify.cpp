// Classifies images with an artefact folder.
#include <cstddef>
#include <cstdio>
#include <filesystem>
#include <iostream>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "arguments.hpp"
#include "vmamba_inference.hpp"

namespace {

using namespace vmamba_inference;
using Predictions = std::vector<std::vector<Prediction>>;

constexpr char kUsage[] = R"(usage: classify FOLDER IMAGE... [options]

  FOLDER              what `vmamba-deploy export` wrote; every file is checked before it is read
  IMAGE               JPEG or PNG

  --top K             how many classes to print for each image (5)
  --runtime NAME      trt, rtx, ort, or auto: an engine that can run here, else ONNX Runtime (auto)
  --cuda              ONNX Runtime on the GPU
  --no-cuda-graphs    TensorRT: launch the kernels of every batch one by one
  --threads N         of ONNX Runtime on the CPU; 0 lets it choose (0)
  --json              print JSON
  --logits FILE       write float32 [images,classes], without a header
  --dump-pixels FILE  write what the network gets: float32 [images,C,H,W], or uint8 [images,H,W,C]
                      for a model that normalises by itself
  --help              print this

exit codes: 0 done, 1 a bug, 2 wrong usage, 3 an image or model that cannot be read, 4 a runtime or
GPU is missing, 5 the network or plugin could not be run, 7 the folder is not what its manifest says,
8 no memory or disk
)";

std::string json_of(const Classifier &model, const std::vector<std::filesystem::path> &images,
                    const Logits &logits, const Predictions &all) {
  nlohmann::ordered_json document;
  document["runtime"] = model.runtime();
  document["activation"] = model.activation(logits.classes);
  document["images"] = nlohmann::ordered_json::array();
  for (std::size_t i = 0; i < images.size(); ++i) {
    nlohmann::ordered_json top = nlohmann::ordered_json::array();
    for (const Prediction &best : all[i]) {
      top.push_back(
          {{"index", best.index}, {"label", best.label}, {"probability", best.probability}});
    }
    document["images"].push_back({{"file", images[i].string()}, {"top", top}});
  }
  // File names may be in no encoding: what is not UTF-8 is replaced.
  return document.dump(2, ' ', false, nlohmann::json::error_handler_t::replace);
}

void print_text(const std::vector<std::filesystem::path> &images, const Predictions &all) {
  for (std::size_t i = 0; i < images.size(); ++i) {
    std::printf("%s\n", printable(images[i].string()).c_str());
    for (const Prediction &best : all[i]) {
      std::printf("  %6.2f%%  %s\n", 100.0 * best.probability, printable(best.label).c_str());
    }
  }
}

void classify(const vmamba_programs::Arguments &arguments) {
  const std::vector<std::string> &words = arguments.positional();
  if (words.size() < 2) throw usage_error("a folder and at least one image are needed", "--help");
  const std::vector<std::filesystem::path> images(words.begin() + 1, words.end());
  const std::size_t count = arguments.number("--top", 5, 1, 1000000);
  const Classifier model(words[0], vmamba_programs::runtime_options(arguments));

  const PixelBatch pixels = model.preprocess(images);
  if (const auto file = arguments.path("--dump-pixels")) {
    write_file(*file, pixels.bytes.data(), pixels.bytes.size());
  }
  const Logits logits = model(pixels);
  if (const auto file = arguments.path("--logits")) {
    write_file(*file, logits.values.data(), logits.values.size() * sizeof(float));
  }
  const Predictions all = model.top(logits, count);
  if (arguments.has("--json")) {
    std::cout << json_of(model, images, logits, all) << '\n';
  } else {
    print_text(images, all);
  }
}

}  // namespace

int main(int count, char **words) {
  return vmamba_programs::run(count, words, kUsage, {"--json"},
                              {"--top", "--logits", "--dump-pixels"}, classify);
}
