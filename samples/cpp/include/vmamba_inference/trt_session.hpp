// TensorRT or TensorRT-RTX: model.engine on CUDA's device 0.
#pragma once

#include <NvInferRuntime.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <deque>
#include <filesystem>
#include <memory>
#include <mutex>
#include <optional>
#include <stdexcept>
#include <string>
#include <system_error>
#include <type_traits>
#include <vector>

#include "vmamba_inference/cuda_device.hpp"
#include "vmamba_inference/error.hpp"
#include "vmamba_inference/file.hpp"
#include "vmamba_inference/manifest.hpp"
#include "vmamba_inference/preprocess.hpp"
#include "vmamba_inference/session.hpp"
#include "vmamba_inference/trt_flavour.hpp"
#include "vmamba_inference/verify.hpp"

namespace vmamba_inference::trt {

// Keeps what TensorRT complains of, for the error's text. TensorRT calls it from any thread.
class Logger final : public nvinfer1::ILogger {
 public:
  void log(Severity severity, const char *text) noexcept override {
    if (severity > Severity::kERROR) return;
    const std::lock_guard<std::mutex> lock(mutex_);
    try {
      if (errors_.size() < kMostBytes) errors_ += (errors_.empty() ? "" : "; ") + std::string(text);
    } catch (const std::bad_alloc &) {
      errors_.clear();  // no memory for a message: the error is told without it
    }
  }
  std::string errors() const {
    const std::lock_guard<std::mutex> lock(mutex_);
    return errors_;
  }

 private:
  static constexpr std::size_t kMostBytes = 4096;
  mutable std::mutex mutex_;
  std::string errors_;
};

// A deserialised engine with one execution context, and what is known of its tensors. Needs a
// current CUDA context and headers that fit the library.
class Engine {
 public:
  explicit Engine(const Manifest &manifest) : spec_(manifest.preprocessing) {
    const std::filesystem::path file = manifest.folder / "model.engine";
    runtime_.reset(nvinfer1::createInferRuntime(logger_));
    if (runtime_ == nullptr) throw environment_problem(failure("does not start"));
    // Such engines carry code, which TensorRT runs; the manifest's sha256 vouches for it.
    runtime_->setEngineHostCodeAllowed(manifest.engine.plugin_embedded ||
                                       manifest.engine.version_compatible);
    const Bytes plan = content_of(file);
    engine_.reset(runtime_->deserializeCudaEngine(plan.data(), plan.size()));
    if (engine_ == nullptr) {
      throw integrity_error(failure("refuses " + file.string()),
                            "build the engine again on this machine");
    }
    read_tensors();
    context_.reset(engine_->createExecutionContext());
    if (context_ == nullptr) throw resource_error(failure("has no memory for the engine"));
  }

  std::size_t min_batch() const { return min_batch_; }
  std::size_t max_batch() const { return max_batch_; }
  const std::string &input() const { return input_; }
  const std::vector<std::string> &outputs() const { return outputs_; }

  // Of an output, for the batch that was set last.
  std::vector<std::size_t> shape(const std::string &output) const {
    const nvinfer1::Dims dims = context_->getTensorShape(output.c_str());
    std::vector<std::size_t> shape;
    for (std::int32_t i = 0; i < dims.nbDims; ++i) {
      if (dims.d[i] < 1) throw integrity_error("the engine does not tell the shape of " + output);
      shape.push_back(static_cast<std::size_t>(dims.d[i]));
    }
    return shape;
  }

  void bind(const std::string &tensor, void *buffer) {
    if (!context_->setTensorAddress(tensor.c_str(), buffer)) {
      throw build_error(failure("does not take the buffers"));
    }
  }

  void set_batch(std::size_t images) {
    nvinfer1::Dims shape = input_shape();
    shape.d[0] = static_cast<Extent>(images);
    if (!context_->setInputShape(input_.c_str(), shape)) {
      throw usage_error("the engine takes batches from " + std::to_string(min_batch_) + " to " +
                        std::to_string(max_batch_) + ", got " + std::to_string(images));
    }
  }

  bool enqueue(const CudaStream &stream) {
    return context_->enqueueV3(reinterpret_cast<cudaStream_t>(stream.get()));
  }

  // A sentence about TensorRT, with its own complaints.
  std::string failure(const std::string &what) const {
    const std::string errors = logger_.errors();
    return std::string(kTitle) + " " + what + (errors.empty() ? "" : ": ") + errors;
  }

 private:
  using Extent = std::remove_reference_t<decltype(nvinfer1::Dims().d[0])>;

  static Bytes content_of(const std::filesystem::path &file) {
    try {
      return read_file(file, std::uintmax_t{64} << 30);
    } catch (const std::system_error &error) {
      throw integrity_error(file.string() + " cannot be read: " + error.code().message());
    } catch (const std::length_error &) {
      throw integrity_error(file.string() + " is too large to be an engine");
    }
  }

  void read_tensors() {
    using nvinfer1::DataType, nvinfer1::OptProfileSelector, nvinfer1::TensorIOMode;
    for (std::int32_t i = 0; i < engine_->getNbIOTensors(); ++i) {
      const char *const name = engine_->getIOTensorName(i);
      const bool is_input = engine_->getTensorIOMode(name) == TensorIOMode::kINPUT;
      if (!is_input) {
        outputs_.emplace_back(name);
      } else if (input_.empty()) {
        input_ = name;
      } else {
        wrong_tensors();
      }
    }
    if (input_.empty() || outputs_.empty()) wrong_tensors();
    const DataType wanted = spec_.normalisation_in_graph ? DataType::kUINT8 : DataType::kFLOAT;
    const bool floats = std::all_of(outputs_.begin(), outputs_.end(), [this](const auto &name) {
      return engine_->getTensorDataType(name.c_str()) == DataType::kFLOAT &&
             engine_->getTensorShape(name.c_str()).nbDims > 0;
    });
    if (engine_->getTensorDataType(input_.c_str()) != wanted || !floats || !takes_our_images()) {
      throw integrity_error("the engine's tensors are not those that its manifest describes");
    }
    const auto batch = [this](OptProfileSelector which) {
      return static_cast<std::size_t>(engine_->getProfileShape(input_.c_str(), 0, which).d[0]);
    };
    min_batch_ = batch(OptProfileSelector::kMIN);
    max_batch_ = batch(OptProfileSelector::kMAX);
  }

  // Of one image.
  nvinfer1::Dims input_shape() const {
    const auto height = static_cast<Extent>(spec_.crop_height);
    const auto width = static_cast<Extent>(spec_.crop_width);
    const auto channels = static_cast<Extent>(spec_.channels());
    if (spec_.normalisation_in_graph) return {4, {1, height, width, channels}};
    return {4, {1, channels, height, width}};
  }

  bool takes_our_images() const {
    using nvinfer1::OptProfileSelector;
    const char *const name = input_.c_str();
    const nvinfer1::Dims least = engine_->getProfileShape(name, 0, OptProfileSelector::kMIN);
    const nvinfer1::Dims most = engine_->getProfileShape(name, 0, OptProfileSelector::kMAX);
    const nvinfer1::Dims ours = input_shape();
    if (least.nbDims != 4 || most.nbDims != 4 || least.d[0] < 1) return false;
    for (int i = 1; i < 4; ++i) {
      if (ours.d[i] < least.d[i] || ours.d[i] > most.d[i]) return false;
    }
    return true;
  }

  [[noreturn]] static void wrong_tensors() {
    throw integrity_error("the engine has not one input and outputs");
  }

  Preprocessing spec_;
  Logger logger_;
  // The runtime must outlive its engine, and the engine its context.
  std::unique_ptr<nvinfer1::IRuntime> runtime_;
  std::unique_ptr<nvinfer1::ICudaEngine> engine_;
  std::unique_ptr<nvinfer1::IExecutionContext> context_;
  std::string input_;
  std::vector<std::string> outputs_;
  std::size_t min_batch_ = 1;
  std::size_t max_batch_ = 1;
};

}  // namespace vmamba_inference::trt

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
