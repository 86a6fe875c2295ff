// Uses every part of cuda_device.hpp once, on whatever driver it finds.
// usage: walk_device copy|graph|memory
#include <cstddef>
#include <cstdint>
#include <iostream>
#include <limits>
#include <string>
#include <vector>

#include "vmamba_inference/cuda_device.hpp"
#include "vmamba_inference/error.hpp"

namespace {

using namespace vmamba_inference;

Gpu require_gpu() {
  const GpuSearch search = find_gpu();
  if (!search.found) throw environment_problem(search.reason);
  return search.gpu;
}

// There and back, through pinned memory.
void copy() {
  const CudaStream stream;
  const std::vector<std::uint8_t> sent = {1, 2, 3, 4, 5};
  const DeviceBuffer device(sent.size());
  const PinnedBuffer pinned(sent.size());
  device.upload(sent.data(), sent.size(), stream);
  device.download(pinned.get(), sent.size(), stream);
  stream.synchronise();
  const auto *const got = static_cast<const std::uint8_t *>(pinned.get());
  if (std::vector<std::uint8_t>(got, got + sent.size()) != sent) throw build_error("other bytes");
}

void graph() {
  const CudaStream stream;
  CudaGraph graph;
  const auto work = [] { return std::cout << "work\n" << std::flush, true; };
  if (!graph.record(stream, work)) {
    std::cout << "not recorded\n";
    return;
  }
  graph.launch(stream);
  graph.launch(stream);
  if (graph.record(stream, [] { return false; })) throw build_error("recorded what failed");
}

void use_device(const std::string &part) {
  const CudaContext context(require_gpu());
  context.make_current();
  if (part == "copy") copy();
  if (part == "graph") graph();
  if (part == "memory") const DeviceBuffer too_large(std::numeric_limits<std::size_t>::max());
}

}  // namespace

int main(int count, char **words) {
  return vmamba_inference::run_program([&] {
    if (count != 2) throw vmamba_inference::usage_error("a part is needed");
    use_device(words[1]);
  });
}
