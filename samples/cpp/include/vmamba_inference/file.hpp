// Whole files: read with a limit, written whole or not at all, and their sha256.
#pragma once

#include <fcntl.h>
#include <openssl/evp.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <memory>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include "vmamba_inference/error.hpp"

namespace vmamba_inference {

using Bytes = std::vector<std::uint8_t>;

// An open file descriptor.
class Descriptor {
 public:
  explicit Descriptor(int number) noexcept : number_(number) {}
  ~Descriptor() {
    if (number_ >= 0) ::close(number_);
  }
  Descriptor(const Descriptor &) = delete;
  Descriptor &operator=(const Descriptor &) = delete;

  int get() const noexcept { return number_; }
  explicit operator bool() const noexcept { return number_ >= 0; }

 private:
  int number_;
};

// Call `use(data, count)` with the parts of a file, in order. Throws std::system_error where it
// cannot be read.
template <typename Use>
void read_parts(const std::filesystem::path &path, Use &&use) {
  const auto fail = [] { throw std::system_error(errno, std::generic_category()); };
  // Not blocking: opening a pipe would otherwise wait for its writer.
  const Descriptor file(::open(path.c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC));
  struct stat found{};
  if (!file || ::fstat(file.get(), &found) != 0) fail();
  if (!S_ISREG(found.st_mode)) {
    throw std::system_error(std::make_error_code(
        S_ISDIR(found.st_mode) ? std::errc::is_a_directory : std::errc::operation_not_supported));
  }
  Bytes part(1 << 18);
  while (true) {
    const ssize_t count = ::read(file.get(), part.data(), part.size());
    if (count == 0) return;
    if (count > 0) use(part.data(), static_cast<std::size_t>(count));
    if (count < 0 && errno != EINTR) fail();
  }
}

// Throws std::system_error where the file cannot be read; std::length_error above the limit.
inline Bytes read_file(const std::filesystem::path &path, std::uintmax_t limit) {
  Bytes content;
  read_parts(path, [&](const std::uint8_t *part, std::size_t count) {
    if (content.size() + count > limit) throw std::length_error("too large");
    content.insert(content.end(), part, part + count);
  });
  return content;
}

// Write a file under another name beside `path`, flush it, and rename it: an older `path` stays
// until the new one is whole.
inline void write_file(const std::filesystem::path &path, const void *data, std::size_t size) {
  const auto fail = [&path](int code) {
    const std::string message = "cannot write " + path.string() + ": " + std::strerror(code);
    const bool full = code == ENOSPC || code == EDQUOT || code == EFBIG;
    if (full) return resource_error(message, "free some space, or write to another disk");
    return usage_error(message, "choose a folder that you may write to");
  };
  const std::filesystem::path folder = path.has_parent_path() ? path.parent_path() : ".";
  std::string partial = (folder / (".partial-XXXXXX-" + path.filename().string())).string();
  const int suffix = static_cast<int>(path.filename().string().size()) + 1;
  const Descriptor file(::mkstemps(partial.data(), suffix));
  if (!file) throw fail(errno);
  const auto give_up = [&](int code) {
    ::unlink(partial.c_str());
    return fail(code);
  };
  const auto *next = static_cast<const char *>(data);
  for (std::size_t left = size; left > 0;) {
    const ssize_t count = ::write(file.get(), next, left);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) throw give_up(errno);
    next += count;
    left -= static_cast<std::size_t>(count);
  }
  const mode_t mask = ::umask(0);
  ::umask(mask);
  if (::fchmod(file.get(), 0666 & ~mask) != 0 || ::fsync(file.get()) != 0 ||
      ::rename(partial.c_str(), path.c_str()) != 0) {
    throw give_up(errno);
  }
}

// Lower-case hexadecimal sha256 of a file; throws std::system_error where it cannot be read.
inline std::string sha256_of(const std::filesystem::path &path) {
  const std::unique_ptr<EVP_MD_CTX, decltype(&EVP_MD_CTX_free)> context(EVP_MD_CTX_new(),
                                                                        EVP_MD_CTX_free);
  if (!context || EVP_DigestInit_ex(context.get(), EVP_sha256(), nullptr) != 1) {
    throw environment_problem("OpenSSL has no sha256 here");
  }
  read_parts(path, [&context](const std::uint8_t *part, std::size_t count) {
    EVP_DigestUpdate(context.get(), part, count);
  });
  std::array<std::uint8_t, EVP_MAX_MD_SIZE> digest{};
  unsigned int length = 0;
  EVP_DigestFinal_ex(context.get(), digest.data(), &length);
  static constexpr char kDigits[] = "0123456789abcdef";
  std::string text;
  for (unsigned int i = 0; i < length; ++i) {
    text += kDigits[digest[i] >> 4];
    text += kDigits[digest[i] & 15];
  }
  return text;
}

}  // namespace vmamba_inference
