// An image file to upright 8-bit RGB.
#pragma once

#include <cstdint>
#include <cstring>
#include <filesystem>
#include <stdexcept>
#include <string>
#include <system_error>

#include "vmamba_inference/error.hpp"
#include "vmamba_inference/file.hpp"
#include "vmamba_inference/image.hpp"
#include "vmamba_inference/jpeg.hpp"
#include "vmamba_inference/png.hpp"

namespace vmamba_inference {

// Of an encoded file; what holds more is none that decodes to a permitted image.
inline constexpr std::uintmax_t kMaxEncodedBytes = std::uintmax_t{2} << 30;

// Decode the content of a JPEG or PNG file. `name` stands in the messages.
inline RgbImage decode_image(const Bytes &file, const std::string &name) {
  static constexpr std::uint8_t kPng[] = {0x89, 'P', 'N', 'G', '\r', '\n', 0x1A, '\n'};
  static constexpr std::uint8_t kJpeg[] = {0xFF, 0xD8, 0xFF};
  const auto starts_with = [&file](const std::uint8_t *start, std::size_t size) {
    return file.size() >= size && std::memcmp(file.data(), start, size) == 0;
  };
  if (starts_with(kPng, sizeof(kPng))) return decode_png(file, name);
  if (starts_with(kJpeg, sizeof(kJpeg))) return decode_jpeg(file, name);
  throw input_file_error(name + " is not an image", "JPEG and PNG are read here");
}

// Throws Error(kBadInput), whose message names the file.
inline RgbImage read_image(const std::filesystem::path &path) {
  Bytes file;
  try {
    file = read_file(path, kMaxEncodedBytes);
  } catch (const std::system_error &error) {
    throw input_file_error(path.string() + " cannot be read: " + error.code().message());
  } catch (const std::length_error &) {
    throw input_file_error(path.string() + " has more than 2 GiB");
  }
  return decode_image(file, path.string());
}

}  // namespace vmamba_inference
