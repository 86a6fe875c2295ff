// Dotted numbers: versions and compute capabilities.
#pragma once

#include <algorithm>
#include <cctype>
#include <cstdint>
#include <sstream>
#include <string>
#include <vector>

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

inline std::string joined(const std::vector<std::string> &parts, const std::string &separator) {
  std::string text;
  for (const std::string &part : parts) text += (text.empty() ? "" : separator) + part;
  return text;
}

}  // namespace vmamba_inference
