// Preprocesses a list of images, one process for all of them.
// usage: preprocess_images LIST PIXELS
//   LIST    lines of "CROP_HEIGHT CROP_WIDTH RESIZE INTERPOLATION STRETCHED CHANNELS
//           LONGEST SHORTEST PAD FIXED FILE"; LONGEST is 0 where nothing has to fit
//   PIXELS  for each image that is read, uint8 [H,W,C] and then float32 [C,padded H,padded W]
// prints for each line "ok H W" of the resized image, or the exit code and the message of what was
// thrown
#include <cstdint>
#include <fstream>
#include <iostream>
#include <limits>
#include <optional>
#include <string>
#include <vector>

#include "vmamba_inference/error.hpp"
#include "vmamba_inference/manifest.hpp"
#include "vmamba_inference/preprocess.hpp"
#include "vmamba_inference/read_image.hpp"

namespace {

using namespace vmamba_inference;

Size write_one(const std::string &file, const Preprocessing &spec, std::ofstream &out) {
  const Image crop = resize_and_crop(read_image(file, spec.channels()), spec);
  const Size size{crop.height, crop.width}, padded = padded_size(size, spec);
  std::vector<float> values(
      static_cast<std::size_t>(spec.channels() * padded.height * padded.width), -1.0F);
  normalise(crop, spec, values.data());
  const auto write = [&out](const void *data, std::size_t bytes) {
    out.write(static_cast<const char *>(data), static_cast<std::streamsize>(bytes));
  };
  write(crop.pixels.data(), crop.pixels.size());
  write(values.data(), values.size() * sizeof(float));
  return size;
}

void preprocess_all(const std::string &list, const std::string &pixels) {
  std::ifstream in(list);
  std::ofstream out(pixels, std::ios::binary);
  const Preprocessing usual;
  Preprocessing spec;
  Fit fit;
  std::string file, interpolation;
  std::ptrdiff_t channels = 0;  // 1 or 3
  while (in >> spec.crop_height >> spec.crop_width >> spec.resize_pixels >> interpolation >>
         spec.stretched >> channels >> fit.longest >> fit.shortest >> fit.pad >> fit.fixed) {
    spec.fit = fit.longest > 0 ? std::optional<Fit>(fit) : std::nullopt;
    if (!spec.fit) spec.filter = detail::filter_named(interpolation);
    spec.mean.assign(usual.mean.begin(), usual.mean.begin() + channels);
    spec.std.assign(usual.std.begin(), usual.std.begin() + channels);
    in.ignore(1);
    std::getline(in, file);
    try {
      const Size size = write_one(file, spec, out);
      std::cout << "ok " << size.height << ' ' << size.width << '\n';
    } catch (const Error &error) {
      std::cout << static_cast<int>(error.code()) << ' ' << error.what() << '\n';
    }
  }
  if (!out.flush()) throw resource_error("cannot write " + pixels);
}

}  // namespace

int main(int count, char **words) {
  return run_program([&] {
    if (count != 3) throw usage_error("a list and a file for the pixels are needed");
    preprocess_all(words[1], words[2]);
  });
}
