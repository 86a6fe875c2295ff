// Classifies raw images with a package of `vmamba-deploy export --aoti`, without Python.
//
// usage: classify FOLDER PIXELS BATCH HEIGHT WIDTH [LOGITS]
//   FOLDER  holds model.pt2 and libvmamba_torch.so
//   PIXELS  float32 [BATCH,C,HEIGHT,WIDTH], normalised; no header, so its size tells C
//   LOGITS  where to write float32 [BATCH,classes]
// exit codes: 0 done, 1 failed, 2 wrong usage
#include <dlfcn.h>
#include <torch/csrc/inductor/aoti_package/model_package_loader.h>
#include <torch/torch.h>

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <fstream>
#include <stdexcept>
#include <string>

namespace {

constexpr int kTop = 5;

// Loading the library registers the op that the package calls.
void load_op(const std::string &folder) {
  const std::string path = folder + "/libvmamba_torch.so";
  if (dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL) == nullptr) throw std::runtime_error(dlerror());
}

struct Images {
  int64_t count, height, width;
};

torch::Tensor read_pixels(const std::string &path, const Images &images) {
  std::ifstream file(path, std::ios::binary | std::ios::ate);
  if (!file) throw std::runtime_error("cannot open " + path);
  const std::streamsize bytes = file.tellg();
  const auto each = static_cast<std::streamsize>(sizeof(float)) * images.count * images.height *
                    images.width;  // of one channel
  if (each <= 0 || bytes == 0 || bytes % each != 0) {
    throw std::runtime_error(path + " has " + std::to_string(bytes) + " bytes, expected " +
                             std::to_string(each) + " for each channel");
  }
  torch::Tensor pixels = torch::empty({images.count, bytes / each, images.height, images.width});
  file.seekg(0);
  file.read(static_cast<char *>(pixels.data_ptr()), bytes);
  return pixels;
}

void write_logits(const std::string &path, const torch::Tensor &logits) {
  std::ofstream file(path, std::ios::binary);
  file.write(static_cast<const char *>(logits.data_ptr()),
             static_cast<std::streamsize>(logits.nbytes()));
  if (!file) throw std::runtime_error("cannot write " + path);
}

void print_top(const torch::Tensor &logits) {
  const int64_t count = std::min<int64_t>(kTop, logits.size(1));
  // A package does not say what it was trained for: one of the classes is taken, or yes or no.
  const torch::Tensor shares = logits.size(1) == 1 ? logits.sigmoid() : logits.softmax(1);
  const auto [values, classes] = shares.topk(count, 1);
  for (int64_t image = 0; image < logits.size(0); ++image) {
    std::printf("image %lld:", static_cast<long long>(image));
    for (int64_t i = 0; i < count; ++i) {
      std::printf(" %lld (%.3f)", static_cast<long long>(classes[image][i].item<int64_t>()),
                  values[image][i].item<double>());
    }
    std::printf("\n");
  }
}

void classify(const std::string &folder, const std::string &pixels_path, const Images &images,
              const char *logits_path) {
  const torch::InferenceMode inference;
  load_op(folder);
  torch::inductor::AOTIModelPackageLoader package(folder + "/model.pt2");
  const auto metadata = package.get_metadata();
  const torch::Device device(metadata.at("AOTI_DEVICE_KEY"));
  const torch::Tensor pixels = read_pixels(pixels_path, images).to(device);
  const torch::Tensor logits = package.run({pixels}).at(0).to(torch::kCPU, torch::kFloat);
  print_top(logits);
  if (logits_path != nullptr) write_logits(logits_path, logits.contiguous());
}

}  // namespace

int main(int count, char **arguments) {
  if (count != 6 && count != 7) {
    std::fprintf(stderr, "usage: %s FOLDER PIXELS BATCH HEIGHT WIDTH [LOGITS]\n", arguments[0]);
    return 2;
  }
  try {
    const Images images = {std::stoll(arguments[3]), std::stoll(arguments[4]),
                           std::stoll(arguments[5])};
    classify(arguments[1], arguments[2], images, count == 7 ? arguments[6] : nullptr);
  } catch (const std::exception &error) {
    std::fprintf(stderr, "error: %s\n", error.what());
    return 1;
  }
  return 0;
}
