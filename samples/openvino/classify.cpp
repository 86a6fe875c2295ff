// Classifies raw images with OpenVINO and a folder of `vmamba-deploy export`, without Python.
//
// usage: classify FOLDER PIXELS BATCH HEIGHT WIDTH [LOGITS]
//   FOLDER  holds model.onnx and libvmamba_openvino.so
//   PIXELS  float32 [BATCH,C,HEIGHT,WIDTH], normalised; no header, so its size tells C
//   LOGITS  where to write float32 [BATCH,classes]
// exit codes: 0 done, 1 failed, 2 wrong usage
#include <algorithm>
#include <cstdio>
#include <fstream>
#include <numeric>
#include <openvino/openvino.hpp>
#include <stdexcept>
#include <string>
#include <vector>

namespace {

constexpr size_t kTop = 5;

struct Images {
  size_t count, height, width;
};

ov::Tensor read_pixels(const std::string &path, const Images &images) {
  std::ifstream file(path, std::ios::binary | std::ios::ate);
  if (!file) throw std::runtime_error("cannot open " + path);
  const auto bytes = static_cast<size_t>(file.tellg());
  const size_t each = sizeof(float) * images.count * images.height * images.width;
  if (each == 0 || bytes == 0 || bytes % each != 0) {
    throw std::runtime_error(path + " has " + std::to_string(bytes) + " bytes, expected " +
                             std::to_string(each) + " for each channel");
  }
  ov::Tensor pixels(ov::element::f32, {images.count, bytes / each, images.height, images.width});
  file.seekg(0);
  file.read(static_cast<char *>(pixels.data()), static_cast<std::streamsize>(bytes));
  return pixels;
}

void write_logits(const std::string &path, const ov::Tensor &logits) {
  std::ofstream file(path, std::ios::binary);
  file.write(static_cast<const char *>(logits.data()),
             static_cast<std::streamsize>(logits.get_byte_size()));
  if (!file) throw std::runtime_error("cannot write " + path);
}

void print_top(const ov::Tensor &logits) {
  const size_t classes = logits.get_shape().at(1), best = std::min(kTop, classes);
  std::vector<size_t> order(classes);
  for (size_t image = 0; image < logits.get_shape().at(0); ++image) {
    const float *row = logits.data<const float>() + image * classes;
    std::iota(order.begin(), order.end(), size_t{0});
    std::partial_sort(order.begin(), order.begin() + static_cast<std::ptrdiff_t>(best), order.end(),
                      [row](size_t one, size_t other) { return row[one] > row[other]; });
    std::printf("image %zu:", image);
    for (size_t i = 0; i < best; ++i) std::printf(" %zu (%.3f)", order[i], row[order[i]]);
    std::printf("\n");
  }
}

// For one shape: OpenVINO compiles a faster network for it than for free sizes.
ov::CompiledModel compiled(const std::string &folder, const ov::Shape &shape) {
  ov::Core core;
  core.add_extension(folder + "/libvmamba_openvino.so");
  const auto network = core.read_model(folder + "/model.onnx");
  network->reshape(ov::PartialShape(shape));
  // A CPU with bfloat16 would compute any file in it.
  return core.compile_model(network, "CPU", ov::hint::inference_precision(ov::element::f32));
}

void classify(const std::string &folder, const std::string &pixels_path, const Images &images,
              const char *logits_path) {
  const ov::Tensor pixels = read_pixels(pixels_path, images);
  ov::InferRequest request = compiled(folder, pixels.get_shape()).create_infer_request();
  request.set_input_tensor(pixels);
  request.infer();
  const ov::Tensor logits = request.get_output_tensor(0);
  print_top(logits);
  if (logits_path != nullptr) write_logits(logits_path, logits);
}

}  // namespace

int main(int count, char **arguments) {
  if (count != 6 && count != 7) {
    std::fprintf(stderr, "usage: %s FOLDER PIXELS BATCH HEIGHT WIDTH [LOGITS]\n", arguments[0]);
    return 2;
  }
  try {
    const Images images = {std::stoul(arguments[3]), std::stoul(arguments[4]),
                           std::stoul(arguments[5])};
    classify(arguments[1], arguments[2], images, count == 7 ? arguments[6] : nullptr);
  } catch (const std::exception &error) {
    std::fprintf(stderr, "error: %s\n", error.what());
    return 1;
  }
  return 0;
}
