// What the programs for pictures share: their arguments, and grey images as files.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <set>
#include <string>
#include <vector>

#include "arguments.hpp"
#include "vmamba_inference.hpp"

namespace vmamba_programs {

// The images of `FOLDER IMAGE...`. With --output their files need names of their own.
inline std::vector<std::filesystem::path> images_of(const Arguments &arguments) {
  const std::vector<std::string> &words = arguments.positional();
  if (words.size() < 2) throw usage_error("a folder and at least one image are needed", "--help");
  std::vector<std::filesystem::path> images(words.begin() + 1, words.end());
  std::set<std::string> stems;
  for (const std::filesystem::path &image : images) {
    if (!stems.insert(image.stem().string()).second && arguments.has("--output")) {
      throw usage_error("two images are called " + image.stem().string(),
                        "run the program once for each folder of images");
    }
  }
  return images;
}

// A binary PGM: 8 bits, or 16 where a value needs them, the high byte first.
inline void write_pgm(const std::filesystem::path &file, vmamba_inference::Size size,
                      const std::vector<std::int32_t> &values) {
  const bool wide = !values.empty() && *std::max_element(values.begin(), values.end()) > 255;
  std::string content = "P5\n" + std::to_string(size.width) + " " + std::to_string(size.height) +
                        "\n" + (wide ? "65535\n" : "255\n");
  for (const std::int32_t value : values) {
    if (wide) content += static_cast<char>(value >> 8);
    content += static_cast<char>(value);
  }
  vmamba_inference::write_file(file, content.data(), content.size());
}

}  // namespace vmamba_programs
