// JSON that every reader takes alike: what some of them would take otherwise is refused.
#pragma once

#include <cstddef>
#include <set>
#include <stdexcept>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "vmamba_inference/file.hpp"
#include "vmamba_inference/text.hpp"

namespace vmamba_inference::detail {

inline constexpr int kDeepest = 64;
inline constexpr std::size_t kLongestText = 4096;

// Watches a parser: nlohmann::json parses any depth without recursion but destroys by it, and of a
// key that stands there twice it keeps the last.
class StrictParsing {
 public:
  bool operator()(int depth, nlohmann::json::parse_event_t event, nlohmann::json &value) {
    using Event = nlohmann::json::parse_event_t;
    if (depth > kDeepest) throw std::out_of_range("it is nested too deeply");
    if (event == Event::object_start) keys_.emplace_back();
    if (event == Event::object_end) keys_.pop_back();
    if (value.is_string()) check_text(value.get_ref<const std::string &>());
    if (event == Event::key && !keys_.back().insert(value.get<std::string>()).second) {
      throw std::out_of_range("the key " + printable(value.get<std::string>()) +
                              " stands there twice");
    }
    return true;
  }

 private:
  static void check_text(const std::string &text) {
    if (text.size() > kLongestText) throw std::out_of_range("it holds a text that is too long");
    if (!is_plain(text)) {
      throw std::out_of_range("it holds a text with control characters: " + printable(text));
    }
  }

  std::vector<std::set<std::string>> keys_;
};

inline nlohmann::json parse_json(const Bytes &text) {
  if (text.size() >= 3 && text[0] == 0xEF && text[1] == 0xBB && text[2] == 0xBF) {
    throw std::out_of_range("it begins with a byte order mark");
  }
  StrictParsing strict;
  return nlohmann::json::parse(
      text.begin(), text.end(),
      [&strict](int depth, nlohmann::json::parse_event_t event, nlohmann::json &value) {
        return strict(depth, event, value);
      });
}

}  // namespace vmamba_inference::detail
