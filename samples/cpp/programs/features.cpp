// Writes what a network of any task gives for some images: the maps of a backbone, say.
#include <cstddef>
#include <filesystem>
#include <iostream>
#include <memory>
#include <string>
#include <vector>

#include "arguments.hpp"
#include "vmamba_inference.hpp"

namespace {

using namespace vmamba_inference;

constexpr char kUsage[] = R"(usage: features FOLDER IMAGE... --output DIR [options]

  FOLDER           what `vmamba-deploy export` wrote; every file is checked before it is read
  IMAGE            JPEG or PNG; at most what one execution takes
  --output DIR     write each output there as DIR/NAME.f32, without a header; its shape is printed
  --runtime NAME, --cuda, --threads N, --no-cuda-graphs    as for classify
  --help           print this
)";

void write_features(const vmamba_programs::Arguments &arguments) {
  const std::vector<std::string> &words = arguments.positional();
  const auto folder = arguments.path("--output");
  if (words.size() < 2 || !folder) {
    throw usage_error("a folder, images and --output are needed", "--help");
  }
  const std::vector<std::filesystem::path> images(words.begin() + 1, words.end());
  const Manifest manifest = read_manifest(words[0]);
  verify_files(manifest);
  const std::unique_ptr<Session> session =
      open_session(manifest, vmamba_programs::runtime_options(arguments));
  if (images.size() < session->min_batch() || images.size() > session->max_batch()) {
    throw usage_error("one execution takes " + std::to_string(session->min_batch()) + " to " +
                      std::to_string(session->max_batch()) + " images");
  }
  const PixelBatch pixels = pixels_of(images, manifest.preprocessing);
  const Feed feed{pixels.bytes.data(), images.size(), manifest.preprocessing.crop(), {}};
  for (const auto &[name, array] : session->run(feed)) {
    write_file(*folder / (name + ".f32"), array.values.data(), array.values.size() * sizeof(float));
    std::cout << printable(name);
    for (const std::size_t side : array.shape) std::cout << ' ' << side;
    std::cout << '\n';
  }
}

}  // namespace

int main(int count, char **words) {
  return vmamba_programs::run(count, words, kUsage, {}, {"--output"}, write_features);
}
