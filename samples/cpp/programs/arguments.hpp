// The command line of the programs: flags, options with a value, and what stands between them.
#pragma once

#include <algorithm>
#include <charconv>
#include <cstddef>
#include <filesystem>
#include <iostream>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "vmamba_inference/error.hpp"
#include "vmamba_inference/session.hpp"

namespace vmamba_programs {

using vmamba_inference::usage_error;

class Arguments {
 public:
  // Throws Error(kUsage) for an option that is in neither list, or lacks its value.
  Arguments(int count, char **words, const std::vector<const char *> &flags,
            const std::vector<const char *> &options) {
    const auto in = [](const auto &list, const std::string &word) {
      return std::find(list.begin(), list.end(), word) != list.end();
    };
    bool options_end = false;
    for (int i = 1; i < count; ++i) {
      const std::string word = words[i];
      if (options_end || word.rfind("--", 0) != 0) {
        positional_.push_back(word);
      } else if (word == "--") {
        options_end = true;
      } else if (in(flags, word)) {
        values_[word] = "";
      } else if (!in(options, word)) {
        throw usage_error("there is no option " + word, "--help lists them");
      } else if (i + 1 == count) {
        throw usage_error(word + " needs a value", "--help says which");
      } else {
        values_[word] = words[++i];
      }
    }
  }

  bool has(const std::string &option) const { return values_.count(option) != 0; }
  std::string text(const std::string &option, const std::string &otherwise) const {
    const auto found = values_.find(option);
    return found == values_.end() ? otherwise : found->second;
  }
  std::optional<std::filesystem::path> path(const std::string &option) const {
    return has(option) ? std::optional<std::filesystem::path>(values_.at(option)) : std::nullopt;
  }
  std::size_t number(const std::string &option, std::size_t otherwise, std::size_t least,
                     std::size_t most) const {
    return has(option) ? parse(option, values_.at(option), least, most) : otherwise;
  }
  // Numbers between commas.
  std::vector<std::size_t> numbers(const std::string &option, const std::string &otherwise,
                                   std::size_t least, std::size_t most) const {
    std::vector<std::size_t> all;
    std::string rest = text(option, otherwise) + ",";
    for (std::size_t comma; (comma = rest.find(',')) != std::string::npos;) {
      all.push_back(parse(option, rest.substr(0, comma), least, most));
      rest.erase(0, comma + 1);
    }
    return all;
  }
  const std::vector<std::string> &positional() const { return positional_; }

 private:
  static std::size_t parse(const std::string &option, const std::string &word, std::size_t least,
                           std::size_t most) {
    std::size_t number = 0;
    const char *const end = word.data() + word.size();
    const auto [stopped, problem] = std::from_chars(word.data(), end, number);
    if (problem == std::errc() && stopped == end && number >= least && number <= most) {
      return number;
    }
    throw usage_error(option + " must be a number from " + std::to_string(least) + " to " +
                      std::to_string(most) + ", got '" + word + "'");
  }

  std::map<std::string, std::string> values_;
  std::vector<std::string> positional_;
};

// The options that all programs have.
inline vmamba_inference::Options runtime_options(const Arguments &arguments) {
  vmamba_inference::Options options;
  options.runtime = vmamba_inference::runtime_named(arguments.text("--runtime", "auto"));
  options.cuda = arguments.has("--cuda");
  options.cuda_graphs = !arguments.has("--no-cuda-graphs");
  options.threads = static_cast<int>(arguments.number("--threads", 0, 0, 1024));
  return options;
}

// A program's `main`: parse its own options and those above, print the usage or do the work.
template <typename Work>
int run(int count, char **words, const char *usage, std::vector<const char *> flags,
        std::vector<const char *> options, Work &&work) {
  flags.insert(flags.end(), {"--cuda", "--no-cuda-graphs", "--help"});
  options.insert(options.end(), {"--runtime", "--threads"});
  return vmamba_inference::run_program([&] {
    const Arguments arguments(count, words, flags, options);
    if (arguments.has("--help")) {
      std::cout << usage;
    } else {
      work(arguments);
    }
  });
}

}  // namespace vmamba_programs
