// A picture as a network of whole pictures takes it, where its pixels came from, and one execution
// on it.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <vector>

#include "vmamba_inference/image.hpp"
#include "vmamba_inference/preprocess.hpp"
#include "vmamba_inference/read_image.hpp"
#include "vmamba_inference/session.hpp"

namespace vmamba_inference {

struct PreparedPicture {
  Size original;                    // of the upright picture
  Size resized;                     // what is right of it and below it is padding
  Size padded;                      // of the network's input
  std::vector<std::uint8_t> bytes;  // float32 [C,H,W], or uint8 [H,W,C]
};

inline PreparedPicture prepare(const Image &image, const Preprocessing &spec) {
  const Image resized = resize_and_crop(image, spec);
  PreparedPicture picture;
  picture.original = {image.height, image.width};
  picture.resized = {resized.height, resized.width};
  picture.padded = padded_size(picture.resized, spec);
  if (spec.normalisation_in_graph) {
    picture.bytes = resized.pixels;
    return picture;
  }
  const Size size = picture.padded;
  std::vector<float> values(static_cast<std::size_t>(spec.channels() * size.height * size.width));
  normalise(resized, spec, values.data());
  picture.bytes.resize(values.size() * sizeof(float));
  std::memcpy(picture.bytes.data(), values.data(), picture.bytes.size());
  return picture;
}

// Throws Error(kBadInput), whose message names the file.
inline PreparedPicture prepare(const std::filesystem::path &file, const Preprocessing &spec) {
  return prepare(read_image(file, spec.channels()), spec);
}

// What a network gives for one picture; one of larger batches gets it several times.
inline Outputs run_one(Session &session, const PreparedPicture &picture) {
  const std::size_t images = session.min_batch();
  std::vector<std::uint8_t> repeated;
  Feed feed{picture.bytes.data(), images, picture.padded, {}};
  for (std::size_t i = 0; i < images; ++i) {
    feed.sizes.insert(feed.sizes.end(), {picture.resized.height, picture.resized.width});
    if (images > 1) repeated.insert(repeated.end(), picture.bytes.begin(), picture.bytes.end());
  }
  if (images > 1) feed.pixels = repeated.data();
  return session.run(feed);
}

}  // namespace vmamba_inference
