// An image file to upright 8-bit RGB, as Pillow gives it. JPEG through libjpeg: grey, RGB and CMYK.
// PNG through libpng: every colour type and depth; alpha is dropped, 16-bit samples keep their high
// byte.
#pragma once

#include <jpeglib.h>
#include <png.h>

#include <csetjmp>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <stdexcept>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include "vmamba_inference/error.hpp"
#include "vmamba_inference/file.hpp"
#include "vmamba_inference/image.hpp"

namespace vmamba_inference {

namespace detail {

// One decompression. libjpeg reports errors by a jump, so each step that may jump is a function
// of its own which holds nothing that needs a destructor.
class JpegReader {
 public:
  explicit JpegReader(const Bytes &file) {
    decoder_.err = jpeg_std_error(&errors_);
    errors_.error_exit = jump;
    errors_.output_message = [](j_common_ptr) {};
    decoder_.client_data = this;
    created_ = guarded([&file](JpegReader &self) {
      jpeg_create_decompress(&self.decoder_);
      jpeg_mem_src(&self.decoder_, file.data(), static_cast<unsigned long>(file.size()));
      return true;
    });
    if (!created_) return;
    // libjpeg's own would make up the end of a truncated file.
    decoder_.src->fill_input_buffer = [](j_decompress_ptr) -> boolean { return FALSE; };
    decoder_.src->skip_input_data = skip;
  }
  ~JpegReader() { jpeg_destroy_decompress(&decoder_); }
  JpegReader(const JpegReader &) = delete;
  JpegReader &operator=(const JpegReader &) = delete;

  bool read_header() {
    return created_ && guarded([](JpegReader &self) {
             jpeg_save_markers(&self.decoder_, JPEG_APP0 + 1, 0xFFFF);
             return jpeg_read_header(&self.decoder_, TRUE) == JPEG_HEADER_OK;
           });
  }
  bool start() {
    return guarded([](JpegReader &self) {
      const int channels = self.decoder_.num_components;
      self.decoder_.out_color_space = channels == 1   ? JCS_GRAYSCALE
                                      : channels == 3 ? JCS_RGB
                                                      : JCS_CMYK;
      return jpeg_start_decompress(&self.decoder_) == TRUE;
    });
  }
  bool read_row(std::uint8_t *row) {
    row_ = row;
    return guarded(
        [](JpegReader &self) { return jpeg_read_scanlines(&self.decoder_, &self.row_, 1) == 1; });
  }

  const jpeg_decompress_struct &decoder() const { return decoder_; }
  // Why the last step failed.
  std::string reason() const { return reason_[0] != '\0' ? reason_ : "the file is truncated"; }

 private:
  template <typename Step>
  bool guarded(Step step) {
    reason_[0] = '\0';
    if (setjmp(failed_) != 0) return false;
    return step(*this);
  }
  static void jump(j_common_ptr decoder) {
    auto &self = *static_cast<JpegReader *>(decoder->client_data);
    (*decoder->err->format_message)(decoder, self.reason_);
    std::longjmp(self.failed_, 1);
  }
  static void skip(j_decompress_ptr decoder, long count) {
    jpeg_source_mgr &source = *decoder->src;
    if (count <= 0) return;
    const auto wanted = static_cast<std::size_t>(count);
    const std::size_t skipped = wanted < source.bytes_in_buffer ? wanted : source.bytes_in_buffer;
    source.next_input_byte += skipped;
    source.bytes_in_buffer -= skipped;
  }

  jpeg_decompress_struct decoder_{};
  jpeg_error_mgr errors_{};
  std::jmp_buf failed_;
  char reason_[JMSG_LENGTH_MAX] = "";
  JSAMPROW row_ = nullptr;
  bool created_ = false;
};

// The EXIF blocks of the file, one after the other.
inline Bytes exif_of(const jpeg_decompress_struct &decoder) {
  Bytes exif;
  for (auto *marker = decoder.marker_list; marker != nullptr; marker = marker->next) {
    if (marker->data_length < 6 || std::memcmp(marker->data, "Exif\0\0", 6) != 0) continue;
    const std::size_t start = exif.empty() ? 0 : 6;
    exif.insert(exif.end(), marker->data + start, marker->data + marker->data_length);
  }
  return exif;
}

// a * b / 255, rounded.
inline int scaled(int a, int b) {
  const int product = a * b + 128;
  return ((product >> 8) + product) >> 8;
}

// From a row of 1, 3 or 4 channels to RGB. Four are taken as Adobe stores them: inverted.
inline void jpeg_row_to_rgb(const std::uint8_t *in, std::int64_t width, int channels,
                            std::uint8_t *out) {
  for (std::int64_t x = 0; x < width; ++x, in += channels, out += 3) {
    if (channels == 1) {
      out[0] = out[1] = out[2] = in[0];
    } else if (channels == 3) {
      std::memcpy(out, in, 3);
    } else {
      const int light = in[3];
      for (int i = 0; i < 3; ++i) {
        out[i] = static_cast<std::uint8_t>(light - scaled(255 - in[i], light));
      }
    }
  }
}

}  // namespace detail

// Decode a JPEG file, upright. `name` stands in the messages.
inline Image decode_jpeg(const Bytes &file, const std::string &name) {
  detail::JpegReader reader(file);
  const auto damaged = [&] { return input_file_error(name + " is damaged: " + reader.reason()); };
  if (!reader.read_header()) throw damaged();
  const jpeg_decompress_struct &decoder = reader.decoder();
  const std::int64_t width = decoder.image_width, height = decoder.image_height;
  if (width * height > kMaxPixels) throw too_many_pixels(name);
  const int channels = decoder.num_components;
  if (channels != 1 && channels != 3 && channels != 4) {
    throw input_file_error(name + " has " + std::to_string(channels) +
                           " channels; 1, 3 or 4 are read");
  }
  const int orientation = exif_orientation(detail::exif_of(decoder));
  if (!reader.start()) throw damaged();
  Image image(width, height);
  Bytes row(static_cast<std::size_t>(width * channels));
  for (std::int64_t y = 0; y < height; ++y) {
    if (!reader.read_row(row.data())) throw damaged();
    detail::jpeg_row_to_rgb(row.data(), width, channels, image.row(y));
  }
  return turn_upright(std::move(image), orientation);
}

namespace detail {

// One file being read. libpng reports errors by a jump, so each step that may jump is a function
// of its own which holds nothing that needs a destructor.
class PngReader {
 public:
  explicit PngReader(const Bytes &file) : next_(file.data()), left_(file.size()) {
    png_ = png_create_read_struct(PNG_LIBPNG_VER_STRING, this, fail,
                                  [](png_structp, png_const_charp) {});
    if (png_ != nullptr) info_ = png_create_info_struct(png_);
  }
  ~PngReader() { png_destroy_read_struct(&png_, &info_, nullptr); }
  PngReader(const PngReader &) = delete;
  PngReader &operator=(const PngReader &) = delete;

  bool read_header() {
    return info_ != nullptr && guarded([](PngReader &self) {
             png_set_read_fn(self.png_, &self, read);
             png_set_user_limits(self.png_, PNG_UINT_31_MAX, PNG_UINT_31_MAX);
             png_set_crc_action(self.png_, PNG_CRC_ERROR_QUIT, PNG_CRC_ERROR_QUIT);
             png_set_benign_errors(self.png_, 1);
             png_read_info(self.png_, self.info_);
           });
  }
  // Each row becomes RGB of 8 bits.
  bool read_pixels(std::uint8_t **rows) {
    rows_ = rows;
    return guarded([](PngReader &self) {
      png_set_expand(self.png_);  // palettes and fewer bits; transparency becomes alpha
      png_set_strip_alpha(self.png_);
      png_set_strip_16(self.png_);
      png_set_gray_to_rgb(self.png_);
      png_read_image(self.png_, self.rows_);
    });
  }
  // The chunks behind the pixels; that they are damaged does not matter.
  void read_rest() {
    guarded([](PngReader &self) { png_read_end(self.png_, self.info_); });
  }

  png_structp png() const { return png_; }
  png_infop info() const { return info_; }
  const char *reason() const { return reason_; }

 private:
  template <typename Step>
  bool guarded(Step step) {
    if (setjmp(failed_) != 0) return false;
    step(*this);
    return true;
  }
  [[noreturn]] static void fail(png_structp png, png_const_charp reason) {
    auto &self = *static_cast<PngReader *>(png_get_error_ptr(png));
    std::snprintf(self.reason_, sizeof(self.reason_), "%s", reason);
    std::longjmp(self.failed_, 1);
  }
  static void read(png_structp png, png_bytep out, std::size_t count) {
    auto &self = *static_cast<PngReader *>(png_get_io_ptr(png));
    if (count > self.left_) png_error(png, "the file is truncated");
    std::memcpy(out, self.next_, count);
    self.next_ += count;
    self.left_ -= count;
  }

  png_structp png_ = nullptr;
  png_infop info_ = nullptr;
  const std::uint8_t *next_;
  std::size_t left_;
  std::jmp_buf failed_;
  char reason_[128] = "out of memory";
  std::uint8_t **rows_ = nullptr;
};

}  // namespace detail

// Decode a PNG file, upright. `name` stands in the messages.
inline Image decode_png(const Bytes &file, const std::string &name) {
  detail::PngReader reader(file);
  const auto damaged = [&] { return input_file_error(name + " is damaged: " + reader.reason()); };
  if (!reader.read_header()) throw damaged();
  const png_structp png = reader.png();
  const png_infop info = reader.info();
  const std::int64_t width = png_get_image_width(png, info);
  const std::int64_t height = png_get_image_height(png, info);
  if (width > kMaxPixels || height > kMaxPixels || width * height > kMaxPixels) {
    throw too_many_pixels(name);
  }
  Image image(width, height);
  std::vector<std::uint8_t *> rows;
  for (std::int64_t y = 0; y < height; ++y) rows.push_back(image.row(y));
  if (!reader.read_pixels(rows.data())) throw damaged();
  reader.read_rest();
  png_uint_32 size = 0;
  png_bytep exif = nullptr;
  png_get_eXIf_1(png, info, &size, &exif);
  return turn_upright(std::move(image), exif_orientation(Bytes(exif, exif + size)));
}

// Of an encoded file; what holds more is none that decodes to a permitted image.
inline constexpr std::uintmax_t kMaxEncodedBytes = std::uintmax_t{2} << 30;

// Decode the content of a JPEG or PNG file. `name` stands in the messages.
inline Image decode_image(const Bytes &file, const std::string &name) {
  static constexpr std::uint8_t kPng[] = {0x89, 'P', 'N', 'G', '\r', '\n', 0x1A, '\n'};
  static constexpr std::uint8_t kJpeg[] = {0xFF, 0xD8, 0xFF};
  const auto starts_with = [&file](const std::uint8_t *start, std::size_t size) {
    return file.size() >= size && std::memcmp(file.data(), start, size) == 0;
  };
  if (starts_with(kPng, sizeof(kPng))) return decode_png(file, name);
  if (starts_with(kJpeg, sizeof(kJpeg))) return decode_jpeg(file, name);
  throw input_file_error(name + " is not an image that is read here", "one of JPEG, PNG");
}

// For a network of that many channels. Throws Error(kBadInput), whose message names the file.
inline Image read_image(const std::filesystem::path &path, std::int64_t channels = kRgb) {
  if (channels != kGrey && channels != kRgb) {
    const std::string wanted = std::to_string(channels);
    throw input_file_error(
        "the network takes " + wanted + " channels, so " + path.string() + " is no input for it",
        "fill an Image of " + wanted + " channels; files are for networks of 1 or 3");
  }
  Bytes file;
  try {
    file = read_file(path, kMaxEncodedBytes);
  } catch (const std::system_error &error) {
    if (error.code() == std::errc::is_a_directory) {
      throw input_file_error(path.string() + " is a folder; an image is a file.");
    }
    throw input_file_error(path.string() + " cannot be read: " + error.code().message() + ".");
  } catch (const std::length_error &) {
    throw input_file_error(path.string() + " has more than 2 GiB");
  }
  Image image = decode_image(file, path.string());
  return channels == kGrey ? grey_of(image) : image;
}

}  // namespace vmamba_inference
