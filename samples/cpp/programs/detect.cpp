// Finds things in images with an artefact folder.
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <string>
#include <vector>

#include "arguments.hpp"
#include "pictures.hpp"
#include "vmamba_inference.hpp"

namespace {

using namespace vmamba_inference;

constexpr char kUsage[] = R"(usage: detect FOLDER IMAGE... [options]

  FOLDER           what `vmamba-deploy export` wrote; every file is checked before it is read
  IMAGE            JPEG or PNG

  --percent N      leave out detections whose score is below N percent (30)
  --output DIR     write DIR/NAME.masks.pgm: 0 where nothing is, else which detection covers the
                   pixel, the first being 1; the surest lies on top
  --runtime NAME, --cuda, --threads N, --no-cuda-graphs    as for classify
  --help           print this

Prints for each image what is in it, the surest first: score, class, and left, top, right, bottom.
)";

void print(const std::filesystem::path &image, const Detections &all) {
  std::printf("%s%s\n", printable(image.string()).c_str(), all.exact ? "" : " (not exact)");
  for (const Detection &one : all.found) {
    std::printf("  %.4f  %s  %.2f %.2f %.2f %.2f\n", static_cast<double>(one.score),
                printable(one.name).c_str(), one.box[0], one.box[1], one.box[2], one.box[3]);
  }
}

std::vector<std::int32_t> painted(const Detections &all) {
  std::vector<std::int32_t> numbers(static_cast<std::size_t>(all.size.height * all.size.width));
  for (std::size_t i = all.found.size(); i > 0; --i) {
    const Detection &one = all.found[i - 1];
    paste_mask(one.cells.data(), one.side, one.box, all.size,
               [&](std::int64_t row, std::int64_t column) {
                 const auto place = static_cast<std::size_t>(row * all.size.width + column);
                 numbers[place] = static_cast<std::int32_t>(i);
               });
  }
  return numbers;
}

void detect(const vmamba_programs::Arguments &arguments) {
  const auto images = vmamba_programs::images_of(arguments);
  const double threshold = static_cast<double>(arguments.number("--percent", 30, 0, 100)) / 100.0;
  const Detector model(arguments.positional()[0], vmamba_programs::runtime_options(arguments));
  const auto folder = arguments.path("--output");
  for (const std::filesystem::path &image : images) {
    const Detections all = model.detect(image, threshold);
    print(image, all);
    if (folder) {
      const std::string name = image.stem().string() + ".masks.pgm";
      vmamba_programs::write_pgm(*folder / name, all.size, painted(all));
    }
  }
}

}  // namespace

int main(int count, char **words) {
  return vmamba_programs::run(count, words, kUsage, {}, {"--percent", "--output"}, detect);
}
