// JPEG through libjpeg: grey, RGB and CMYK as Pillow gives them.
#pragma once

#include <csetjmp>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <string>
#include <utility>

#include <jpeglib.h>

#include "vmamba_inference/error.hpp"
#include "vmamba_inference/exif.hpp"
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
    created_ =
        guarded([](JpegReader &self) { return jpeg_create_decompress(&self.decoder_), true; });
    if (!created_) return;
    decoder_.src = &source_;
    source_.next_input_byte = file.data();
    source_.bytes_in_buffer = file.size();
    source_.init_source = [](j_decompress_ptr) {};
    source_.term_source = [](j_decompress_ptr) {};
    source_.resync_to_restart = jpeg_resync_to_restart;
    source_.fill_input_buffer = [](j_decompress_ptr) -> boolean { return FALSE; };  // no more
    source_.skip_input_data = skip;
  }
  ~JpegReader() {
    if (created_) jpeg_destroy_decompress(&decoder_);
  }
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
  jpeg_source_mgr source_{};
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
inline RgbImage decode_jpeg(const Bytes &file, const std::string &name) {
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
  RgbImage image(width, height);
  Bytes row(static_cast<std::size_t>(width * channels));
  for (std::int64_t y = 0; y < height; ++y) {
    if (!reader.read_row(row.data())) throw damaged();
    detail::jpeg_row_to_rgb(row.data(), width, channels, image.row(y));
  }
  return turn_upright(std::move(image), orientation);
}

}  // namespace vmamba_inference
