// The errors a user can meet: what was wrong, what to do, and the exit code, as in Python.
#pragma once

#include <exception>
#include <iostream>
#include <new>
#include <stdexcept>
#include <string>
#include <utility>

#include "vmamba_inference/text.hpp"

namespace vmamba_inference {

// The numbers of vmamba_deploy's command line.
enum class ExitCode : int {
  kOk = 0,
  kBug = 1,
  kUsage = 2,
  kBadInput = 3,
  kEnvironment = 4,
  kBuildFailed = 5,
  kParityFailed = 6,
  kIntegrity = 7,
  kResources = 8,
};

class Error : public std::runtime_error {
 public:
  Error(ExitCode code, const std::string &message, std::string hint = "")
      : std::runtime_error(message), code_(code), hint_(std::move(hint)) {}

  ExitCode code() const noexcept { return code_; }
  // What to do about it; empty where nothing can be said.
  const std::string &hint() const noexcept { return hint_; }

 private:
  ExitCode code_;
  std::string hint_;
};

// An argument that makes no sense.
inline Error usage_error(const std::string &message, const std::string &hint = "") {
  return Error(ExitCode::kUsage, message, hint);
}

// A file of the user's that cannot be read, or does not hold what it should.
inline Error input_file_error(const std::string &message, const std::string &hint = "") {
  return Error(ExitCode::kBadInput, message, hint);
}

// Something that must be installed or present on this machine is not.
inline Error environment_problem(const std::string &message, const std::string &hint = "") {
  return Error(ExitCode::kEnvironment, message, hint);
}

// A plugin could not be loaded, or an execution failed.
inline Error build_error(const std::string &message, const std::string &hint = "") {
  return Error(ExitCode::kBuildFailed, message, hint);
}

// An artefact is not the one that its manifest describes.
inline Error integrity_error(const std::string &message, const std::string &hint = "") {
  return Error(ExitCode::kIntegrity, message, hint);
}

// Disk or memory that could not be had.
inline Error resource_error(const std::string &message, const std::string &hint = "") {
  return Error(ExitCode::kResources, message, hint);
}

// Call a program's work, print what it throws as `error:` and `hint:`, and give the exit code.
template <typename Work>
int run_program(Work &&work) {
  const auto fail = [](ExitCode code, const std::string &message, const std::string &hint) {
    std::cerr << "error: " << printable(message, "\n") << '\n';
    if (!hint.empty()) std::cerr << "hint: " << printable(hint, "\n") << '\n';
    return static_cast<int>(code);
  };
  try {
    work();
    return static_cast<int>(ExitCode::kOk);
  } catch (const Error &error) {
    return fail(error.code(), error.what(), error.hint());
  } catch (const std::bad_alloc &) {
    return fail(ExitCode::kResources, "not enough memory", "try smaller images or batches");
  } catch (const std::exception &error) {
    return fail(ExitCode::kBug, error.what(), "this is a bug; please report it");
  }
}

}  // namespace vmamba_inference
