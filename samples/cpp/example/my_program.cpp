#include <filesystem>
#include <iostream>
#include <vector>

#include "vmamba_inference.hpp"

int main(int count, char **words) {
  return vmamba_inference::run_program([&] {
    if (count < 3) throw vmamba_inference::usage_error("a folder and images are needed");
    const vmamba_inference::Classifier model(words[1]);
    const std::vector<std::filesystem::path> images(words + 2, words + count);
    for (const auto &top : model.classify(images, 1)) {
      std::cout << top.front().label << ' ' << top.front().probability << '\n';
    }
  });
}
