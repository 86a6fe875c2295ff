// Tells the classes of the pixels of images with an artefact folder.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "arguments.hpp"
#include "pictures.hpp"
#include "vmamba_inference.hpp"

namespace {

using namespace vmamba_inference;

constexpr char kUsage[] = R"(usage: segment FOLDER IMAGE... [options]

  FOLDER           what `vmamba-deploy export` wrote; every file is checked before it is read
  IMAGE            JPEG or PNG

  --output DIR     write the classes of each image's pixels as DIR/NAME.labels.pgm
  --runtime NAME, --cuda, --threads N, --no-cuda-graphs    as for classify
  --help           print this

Prints for each image its classes, the largest first, with their share of the pixels.
)";

void print(const std::filesystem::path &image, const Segmenter &model, const Segmentation &result) {
  std::map<std::int32_t, std::size_t> counts;
  for (const std::int32_t label : result.labels) ++counts[label];
  std::vector<std::pair<std::int32_t, std::size_t>> classes(counts.begin(), counts.end());
  std::stable_sort(classes.begin(), classes.end(),
                   [](const auto &a, const auto &b) { return a.second > b.second; });
  std::printf("%s%s\n", printable(image.string()).c_str(), result.exact ? "" : " (nearest)");
  for (const auto &[label, count] : classes) {
    const double share = static_cast<double>(count) / static_cast<double>(result.labels.size());
    std::printf("  %6.2f%%  %s\n", 100.0 * share,
                printable(model.label(static_cast<std::size_t>(label))).c_str());
  }
}

void segment(const vmamba_programs::Arguments &arguments) {
  const auto images = vmamba_programs::images_of(arguments);
  const Segmenter model(arguments.positional()[0], vmamba_programs::runtime_options(arguments));
  const auto folder = arguments.path("--output");
  for (const std::filesystem::path &image : images) {
    const Segmentation result = model.segment(image);
    print(image, model, result);
    if (folder) {
      const std::string name = image.stem().string() + ".labels.pgm";
      vmamba_programs::write_pgm(*folder / name, result.size, result.labels);
    }
  }
}

}  // namespace

int main(int count, char **words) {
  return vmamba_programs::run(count, words, kUsage, {}, {"--output"}, segment);
}
