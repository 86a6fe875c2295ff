// Measures the latency of an artefact folder's network.
#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstddef>
#include <functional>
#include <future>
#include <iostream>
#include <numeric>
#include <random>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "arguments.hpp"
#include "vmamba_inference.hpp"

namespace {

using namespace vmamba_inference;
using Clock = std::chrono::steady_clock;

constexpr char kUsage[] = R"(usage: throughput FOLDER [options]

Measures from pixels in memory to logits in memory, copies to and from a GPU included; decoding and
preprocessing images are not.

  FOLDER              what `vmamba-deploy export` wrote; every file is checked before it is read

  --batch N,N,...     batch sizes (1,8)
  --warmup N          runs of each batch size before the clock starts (5)
  --iterations N      measured runs of each batch size, of each caller (50)
  --callers N         threads that call at once (1)
  --runtime NAME      trt, rtx, ort, or auto: an engine that can run here, else ONNX Runtime (auto)
  --cuda              ONNX Runtime on the GPU
  --no-cuda-graphs    TensorRT: launch the kernels of every batch one by one
  --threads N         of ONNX Runtime on the CPU; 0 lets it choose (0)
  --output FILE       write the JSON there, whole or not at all, instead of to stdout
  --help              print this

exit codes: 0 done, 1 a bug, 2 wrong usage, 3 a model that cannot be read, 4 a runtime or GPU is
missing, 5 the network or plugin could not be run, 7 the folder is not what its manifest says,
8 no memory or disk
)";

// Of sorted values: the smallest that at least `percent` of them do not exceed.
double percentile(const std::vector<double> &sorted, double percent) {
  const auto rank =
      static_cast<std::size_t>(std::ceil(percent / 100.0 * static_cast<double>(sorted.size())));
  return sorted[std::max<std::size_t>(rank, 1) - 1];
}

PixelBatch noise(const Classifier &model, std::size_t images) {
  const Preprocessing &spec = model.preprocessing();
  std::mt19937 random(17);
  PixelBatch batch;
  batch.images = images;
  batch.bytes.resize(images * static_cast<std::size_t>(spec.bytes_per_image()));
  Image image(spec.crop_width, spec.crop_height, spec.channels());
  for (std::size_t i = 0; i < images; ++i) {
    for (std::uint8_t &value : image.pixels) value = static_cast<std::uint8_t>(random() >> 24);
    model.write_pixels(image, batch, i);
  }
  return batch;
}

struct Plan {
  std::size_t warmup;
  std::size_t iterations;
  std::size_t callers;
};

std::vector<double> timed_calls(const Classifier &model, const PixelBatch &batch,
                                std::size_t iterations) {
  std::vector<double> times_ms;
  times_ms.reserve(iterations);
  for (std::size_t i = 0; i < iterations; ++i) {
    const auto start = Clock::now();
    model(batch);
    times_ms.push_back(std::chrono::duration<double, std::milli>(Clock::now() - start).count());
  }
  return times_ms;
}

// The times of all callers, sorted. What one of them throws is thrown when all have ended.
std::vector<double> times_of_callers(const Classifier &model, const PixelBatch &batch,
                                     const Plan &plan) {
  std::vector<std::future<std::vector<double>>> callers;
  for (std::size_t i = 0; i < plan.callers; ++i) {
    callers.push_back(std::async(std::launch::async, timed_calls, std::cref(model),
                                 std::cref(batch), plan.iterations));
  }
  std::vector<double> all_ms;
  for (auto &caller : callers) {
    const std::vector<double> times_ms = caller.get();
    all_ms.insert(all_ms.end(), times_ms.begin(), times_ms.end());
  }
  std::sort(all_ms.begin(), all_ms.end());
  return all_ms;
}

nlohmann::ordered_json measure(const Classifier &model, std::size_t images, const Plan &plan) {
  const PixelBatch batch = noise(model, images);
  timed_calls(model, batch, plan.warmup);
  const auto start = Clock::now();
  const std::vector<double> times_ms = times_of_callers(model, batch, plan);
  const double seconds = std::chrono::duration<double>(Clock::now() - start).count();
  const double sum = std::accumulate(times_ms.begin(), times_ms.end(), 0.0);
  const auto runs = static_cast<double>(times_ms.size());
  return {{"batch", images},
          {"latency_ms",
           {{"p50", percentile(times_ms, 50)},
            {"p90", percentile(times_ms, 90)},
            {"p99", percentile(times_ms, 99)},
            {"mean", sum / runs}}},
          {"images_per_second", static_cast<double>(images) * runs / seconds}};
}

void throughput(const vmamba_programs::Arguments &arguments) {
  if (arguments.positional().size() != 1) throw usage_error("one folder is needed", "--help");
  const auto batches = arguments.numbers("--batch", "1,8", 1, 65536);
  const Plan plan = {arguments.number("--warmup", 5, 0, 1000000),
                     arguments.number("--iterations", 50, 1, 1000000),
                     arguments.number("--callers", 1, 1, 256)};
  const Classifier model(arguments.positional()[0], vmamba_programs::runtime_options(arguments));

  nlohmann::ordered_json document = {{"runtime", model.runtime()},
                                     {"preset", model.manifest().preset},
                                     {"precision", model.manifest().precision},
                                     {"max_batch", model.max_batch()},
                                     {"warmup", plan.warmup},
                                     {"iterations", plan.iterations},
                                     {"callers", plan.callers}};
  document["results"] = nlohmann::ordered_json::array();
  for (const std::size_t images : batches) {
    document["results"].push_back(measure(model, images, plan));
  }
  const std::string text = document.dump(2) + "\n";
  if (const auto file = arguments.path("--output")) {
    write_file(*file, text.data(), text.size());
  } else {
    std::cout << text;
  }
}

}  // namespace

int main(int count, char **words) {
  return vmamba_programs::run(count, words, kUsage, {},
                              {"--batch", "--warmup", "--iterations", "--callers", "--output"},
                              throughput);
}
