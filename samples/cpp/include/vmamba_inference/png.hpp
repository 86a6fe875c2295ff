// PNG through libpng: every colour type and depth, as Pillow reads them. Alpha is dropped, 16-bit
// samples keep their high byte.
#pragma once

#include <png.h>

#include <array>
#include <csetjmp>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <string>
#include <utility>
#include <vector>

#include "vmamba_inference/error.hpp"
#include "vmamba_inference/exif.hpp"
#include "vmamba_inference/file.hpp"
#include "vmamba_inference/image.hpp"

namespace vmamba_inference {

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
  bool start() {
    return guarded([](PngReader &self) {
      png_set_packing(self.png_);  // one sample in each byte
      png_set_interlace_handling(self.png_);
      png_read_update_info(self.png_, self.info_);
    });
  }
  bool read_row(std::uint8_t *row) {
    row_ = row;
    return guarded([](PngReader &self) { png_read_row(self.png_, self.row_, nullptr); });
  }
  bool read_image(std::uint8_t **rows) {
    rows_ = rows;
    return guarded([](PngReader &self) { png_read_image(self.png_, self.rows_); });
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
  std::uint8_t *row_ = nullptr;
  std::uint8_t **rows_ = nullptr;
};

// How the samples of a row become RGB.
struct PngFormat {
  int channels = 0;
  int bytes_per_sample = 1;
  bool colour = false;
  // By the value of one sample: grey, or with `palette` the entry.
  std::array<std::array<std::uint8_t, 3>, 256> shades{};
};

inline PngFormat png_format(png_structp png, png_infop info) {
  PngFormat format;
  const int type = png_get_color_type(png, info), depth = png_get_bit_depth(png, info);
  format.channels = png_get_channels(png, info);
  format.bytes_per_sample = depth == 16 ? 2 : 1;
  format.colour = (type & PNG_COLOR_MASK_COLOR) != 0 && type != PNG_COLOR_TYPE_PALETTE;
  const int largest = depth >= 8 ? 255 : (1 << depth) - 1;
  const int step = type == PNG_COLOR_TYPE_PALETTE ? 0 : 255 / largest;
  for (int i = 0; i <= largest; ++i) format.shades[i].fill(static_cast<std::uint8_t>(i * step));
  png_colorp palette = nullptr;
  int entries = 0;
  if (type == PNG_COLOR_TYPE_PALETTE && png_get_PLTE(png, info, &palette, &entries) != 0) {
    for (int i = 0; i < entries && i < 256; ++i) {
      format.shades[i] = {palette[i].red, palette[i].green, palette[i].blue};
    }
  }
  return format;
}

inline void png_row_to_rgb(const std::uint8_t *in, std::int64_t width, const PngFormat &format,
                           std::uint8_t *out) {
  const int step = format.channels * format.bytes_per_sample;
  for (std::int64_t x = 0; x < width; ++x, in += step, out += 3) {
    if (format.colour) {
      for (int i = 0; i < 3; ++i) out[i] = in[i * format.bytes_per_sample];
    } else {
      std::memcpy(out, format.shades[in[0]].data(), 3);
    }
  }
}

inline int png_orientation(png_structp png, png_infop info) {
  png_uint_32 size = 0;
  png_bytep exif = nullptr;
  if (png_get_eXIf_1(png, info, &size, &exif) == 0 || exif == nullptr) return 1;
  return exif_orientation(Bytes(exif, exif + size));
}

// False where the file is damaged.
inline bool read_png_pixels(PngReader &reader, const PngFormat &format, std::size_t row_bytes,
                            bool interlaced, RgbImage &image) {
  const std::size_t rows = interlaced ? static_cast<std::size_t>(image.height) : 1;
  Bytes samples(row_bytes * rows);
  if (interlaced) {
    std::vector<std::uint8_t *> starts(rows);
    for (std::size_t y = 0; y < rows; ++y) starts[y] = samples.data() + y * row_bytes;
    if (!reader.read_image(starts.data())) return false;
  }
  for (std::int64_t y = 0; y < image.height; ++y) {
    if (!interlaced && !reader.read_row(samples.data())) return false;
    const std::size_t start = interlaced ? static_cast<std::size_t>(y) * row_bytes : 0;
    png_row_to_rgb(samples.data() + start, image.width, format, image.row(y));
  }
  return true;
}

}  // namespace detail

// Decode a PNG file, upright. `name` stands in the messages.
inline RgbImage decode_png(const Bytes &file, const std::string &name) {
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
  const detail::PngFormat format = detail::png_format(png, info);
  const bool interlaced = png_get_interlace_type(png, info) != PNG_INTERLACE_NONE;
  if (!reader.start()) throw damaged();
  RgbImage image(width, height);
  const std::size_t row_bytes = png_get_rowbytes(png, info);
  if (!detail::read_png_pixels(reader, format, row_bytes, interlaced, image)) throw damaged();
  reader.read_rest();
  return turn_upright(std::move(image), detail::png_orientation(png, info));
}

}  // namespace vmamba_inference
