// TensorRT or TensorRT-RTX: model.engine on CUDA's device 0.
#pragma once

#include <NvInferRuntime.h>

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <deque>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "vmamba_inference/cuda_device.hpp"
#include "vmamba_inference/error.hpp"
#include "vmamba_inference/manifest.hpp"
#include "vmamba_inference/options.hpp"
#include "vmamba_inference/session.hpp"
#include "vmamba_inference/trt_engine.hpp"
#include "vmamba_inference/trt_flavour.hpp"
#include "vmamba_inference/trt_plugin.hpp"
#include "vmamba_inference/verify.hpp"

namespace vmamba_inference {

// Buffers for the largest batch, one stream, and a graph of the batch size that was run last.
class TrtSession final : public Session {
 public:
  TrtSession(const Manifest &manifest, const Options &options)
      : spec_(manifest.preprocessing), graphs_(options.cuda_graphs) {
    if (!options.verify_files) verify_files(manifest);  // else the caller has
    verify_engine(manifest, trt::kName, trt::library_version());
    if (!manifest.engine.plugin_embedded) load_plugin(manifest);
    const Gpu gpu = trt::require_gpu();
    verify_gpu(manifest.engine, gpu.capability());
    trt::require_fitting_headers();
    context_.emplace(gpu);
    context_->make_current();
    engine_ = std::make_unique<trt::Engine>(manifest);
    device_.emplace(engine_->max_batch() * input_bytes());
    engine_->bind(engine_->input(), device_->input.get());
    engine_->set_batch(engine_->max_batch());
    for (const std::string &name : engine_->outputs()) {
      OutputBuffers &buffers = device_->outputs.emplace_back(values_of(name) * sizeof(float));
      engine_->bind(name, buffers.device.get());
    }
  }
  ~TrtSession() override {
    if (!context_) return;
    CudaDriver::instance().try_call("cuCtxSetCurrent", context_->get());
    graph_.reset();
    device_.reset();
    engine_.reset();
  }

  // Whether an engine of this folder would be accepted on this machine; loads no engine.
  static bool can_run(const Manifest &manifest) {
    try {
      verify_engine(manifest, trt::kName, trt::library_version());
      verify_gpu(manifest.engine, trt::require_gpu().capability());
      return trt::headers_fit();
    } catch (const Error &) {
      return false;  // asked for `auto`: ONNX Runtime takes over
    }
  }

  std::string runtime() const override { return trt::kName; }
  std::size_t max_batch() const override { return engine_->max_batch(); }
  std::size_t min_batch() const override { return engine_->min_batch(); }

  // Calls from several threads run one after the other.
  Outputs run(const std::uint8_t *pixels, std::size_t images) override {
    const std::lock_guard<std::mutex> lock(one_at_a_time_);
    context_->make_current();
    Device &device = *device_;
    const std::size_t in = images * input_bytes();
    std::memcpy(device.host_input.get(), pixels, in);
    device.input.upload(device.host_input.get(), in, device.stream);
    execute(images);
    for (std::size_t i = 0; i < device.outputs.size(); ++i) {
      const OutputBuffers &buffers = device.outputs[i];
      const std::size_t bytes = values_of(engine_->outputs()[i]) * sizeof(float);
      buffers.device.download(buffers.host.get(), bytes, device.stream);
    }
    device.stream.synchronise();
    Outputs outputs;
    for (std::size_t i = 0; i < device.outputs.size(); ++i) {
      const std::string &name = engine_->outputs()[i];
      const auto *const values = static_cast<const float *>(device.outputs[i].host.get());
      outputs[name] = {engine_->shape(name), {values, values + values_of(name)}};
    }
    return outputs;
  }

 private:
  struct OutputBuffers {
    explicit OutputBuffers(std::size_t bytes) : device(bytes), host(bytes) {}

    DeviceBuffer device;
    PinnedBuffer host;
  };
  struct Device {
    explicit Device(std::size_t input_bytes) : input(input_bytes), host_input(input_bytes) {}

    CudaStream stream;
    DeviceBuffer input;
    PinnedBuffer host_input;
    std::deque<OutputBuffers> outputs;  // in the engine's order; a deque, for they do not move
  };

  static void load_plugin(const Manifest &manifest) {
    constexpr char kLibrary[] = "libvmamba_trt.so";
    if (manifest.files.count(kLibrary) == 0) {
      throw integrity_error("the manifest of " + manifest.folder.string() + " does not list " +
                            kLibrary);
    }
    trt::load_plugin(manifest.folder / kLibrary);
  }

  // The first run of a batch size is an ordinary one, in which TensorRT prepares itself; the second
  // is recorded, and from then on the recording is replayed.
  void execute(std::size_t images) {
    const CudaStream &stream = device_->stream;
    if (images != last_images_) {
      graph_.reset();
      engine_->set_batch(images);
      last_images_ = images;
    } else if (graph_ || (graphs_ && record(stream))) {
      graph_.launch(stream);
      return;
    }
    if (engine_->enqueue(stream)) return;
    throw build_error(engine_->failure("could not execute the engine"));
  }

  bool record(const CudaStream &stream) {
    graphs_ = graph_.record(stream, [&] { return engine_->enqueue(stream); });
    return graphs_;
  }

  std::size_t input_bytes() const { return static_cast<std::size_t>(spec_.bytes_per_image()); }
  // Values of an output for the batch that was set last.
  std::size_t values_of(const std::string &output) const {
    std::size_t values = 1;
    for (const std::size_t side : engine_->shape(output)) values *= side;
    return values;
  }

  Preprocessing spec_;
  bool graphs_;
  std::mutex one_at_a_time_;
  // In the order of their making: each needs those before it.
  std::optional<CudaContext> context_;
  std::unique_ptr<trt::Engine> engine_;
  std::optional<Device> device_;
  CudaGraph graph_;
  std::size_t last_images_ = 0;
};

}  // namespace vmamba_inference
