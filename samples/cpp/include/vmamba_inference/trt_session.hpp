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
  bool takes_sizes() const { return takes_sizes_; }
  const std::vector<std::string> &outputs() const { return outputs_; }

  // Whether an output is int32; else it is float32.
  bool is_integer(const std::string &output) const {
    return engine_->getTensorDataType(output.c_str()) == nvinfer1::DataType::kINT32;
  }

  // Of an output, for the shape that was set last.
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

  // How many images, and of which size.
  void set_shape(std::size_t images, Size size) {
    const nvinfer1::Dims shape = input_shape(images, size);
    const nvinfer1::Dims sizes{2, {static_cast<Extent>(images), 2}};
    if (!context_->setInputShape(input_.c_str(), shape) ||
        (takes_sizes_ && !context_->setInputShape(kSizesName, sizes))) {
      throw usage_error("the engine takes batches from " + std::to_string(min_batch_) + " to " +
                        std::to_string(max_batch_) + " of images from " + text_of(least_) + " to " +
                        text_of(largest_) + ", got " + std::to_string(images) + " of " +
                        text_of(size));
    }
  }

  // The largest image of the engine's profile.
  Size largest() const { return largest_; }

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
      } else if (std::string(name) == kSizesName) {
        takes_sizes_ = true;
      } else if (input_.empty()) {
        input_ = name;
      } else {
        wrong_tensors();
      }
    }
    if (input_.empty() || outputs_.empty()) wrong_tensors();
    const DataType wanted = spec_.normalisation_in_graph ? DataType::kUINT8 : DataType::kFLOAT;
    const bool known = std::all_of(outputs_.begin(), outputs_.end(), [this](const auto &name) {
      const DataType type = engine_->getTensorDataType(name.c_str());
      return (type == DataType::kFLOAT || type == DataType::kINT32) &&
             engine_->getTensorShape(name.c_str()).nbDims > 0;
    });
    const bool sizes = !takes_sizes_ || engine_->getTensorDataType(kSizesName) == DataType::kINT64;
    if (engine_->getTensorDataType(input_.c_str()) != wanted || !known || !sizes ||
        !takes_our_images()) {
      throw integrity_error("the engine's tensors are not those that its manifest describes");
    }
    const auto batch = [this](OptProfileSelector which) {
      return static_cast<std::size_t>(engine_->getProfileShape(input_.c_str(), 0, which).d[0]);
    };
    min_batch_ = batch(OptProfileSelector::kMIN);
    max_batch_ = batch(OptProfileSelector::kMAX);
  }

  nvinfer1::Dims input_shape(std::size_t images, Size size) const {
    const auto height = static_cast<Extent>(size.height);
    const auto width = static_cast<Extent>(size.width);
    const auto channels = static_cast<Extent>(spec_.channels());
    const auto batch = static_cast<Extent>(images);
    if (spec_.normalisation_in_graph) return {4, {batch, height, width, channels}};
    return {4, {batch, channels, height, width}};
  }

  // Pictures that have to fit have sizes of their own, which are judged when they come.
  bool takes_our_images() {
    using nvinfer1::OptProfileSelector;
    const char *const name = input_.c_str();
    const nvinfer1::Dims least = engine_->getProfileShape(name, 0, OptProfileSelector::kMIN);
    const nvinfer1::Dims most = engine_->getProfileShape(name, 0, OptProfileSelector::kMAX);
    if (least.nbDims != 4 || most.nbDims != 4 || least.d[0] < 1) return false;
    const int rows = spec_.normalisation_in_graph ? 1 : 2;
    least_ = {least.d[rows], least.d[rows + 1]};
    largest_ = {most.d[rows], most.d[rows + 1]};
    const bool free = spec_.fit && !spec_.fit->fixed;
    const nvinfer1::Dims ours = input_shape(1, free ? largest_ : spec_.crop());
    for (int i = 1; i < 4; ++i) {
      if (ours.d[i] < least.d[i] || ours.d[i] > most.d[i]) return false;
    }
    return true;
  }

  static std::string text_of(Size size) {
    return std::to_string(size.height) + "x" + std::to_string(size.width);
  }

  [[noreturn]] static void wrong_tensors() {
    throw integrity_error("the engine has not one input, or sizes beside it, and outputs");
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
  bool takes_sizes_ = false;
  Size least_, largest_;  // images of the profile
};

}  // namespace vmamba_inference::trt

namespace vmamba_inference {

// Buffers for the largest batch of the largest images, one stream, and a graph of the shape that
// was run last.
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
    const std::size_t most = engine_->max_batch();
    device_.emplace(most * input_bytes(engine_->largest()), most * kBytesOfSizes);
    engine_->bind(engine_->input(), device_->input.device.get());
    if (engine_->takes_sizes()) engine_->bind(kSizesName, device_->sizes.device.get());
    engine_->set_shape(most, engine_->largest());
    for (const std::string &name : engine_->outputs()) {
      // float32 and int32 have four bytes each.
      Buffers &buffers = device_->outputs.emplace_back(values_of(name) * sizeof(float));
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
  Outputs run(const Feed &feed) override {
    const std::lock_guard<std::mutex> lock(one_at_a_time_);
    context_->make_current();
    Device &device = *device_;
    if (feed.images > engine_->max_batch() || feed.size.height > engine_->largest().height ||
        feed.size.width > engine_->largest().width) {
      engine_->set_shape(feed.images, feed.size);  // which says what the engine takes
    }
    device.input.upload(feed.pixels, feed.images * input_bytes(feed.size), device.stream);
    if (engine_->takes_sizes()) {
      const std::vector<std::int64_t> sizes = completed_sizes(feed);
      device.sizes.upload(sizes.data(), feed.images * kBytesOfSizes, device.stream);
    }
    execute(feed.images, feed.size);
    for (std::size_t i = 0; i < device.outputs.size(); ++i) {
      const Buffers &buffers = device.outputs[i];
      const std::size_t bytes = values_of(engine_->outputs()[i]) * sizeof(float);
      buffers.device.download(buffers.host.get(), bytes, device.stream);
    }
    device.stream.synchronise();
    Outputs outputs;
    for (std::size_t i = 0; i < device.outputs.size(); ++i) {
      const std::string &name = engine_->outputs()[i];
      outputs[name] = array_of(name, device.outputs[i].host.get());
    }
    return outputs;
  }

 private:
  static constexpr std::size_t kBytesOfSizes = 2 * sizeof(std::int64_t);  // of one image

  struct Buffers {
    explicit Buffers(std::size_t bytes) : device(bytes), host(bytes) {}

    void upload(const void *data, std::size_t bytes, const CudaStream &stream) {
      std::memcpy(host.get(), data, bytes);
      device.upload(host.get(), bytes, stream);
    }

    DeviceBuffer device;
    PinnedBuffer host;
  };
  struct Device {
    Device(std::size_t input_bytes, std::size_t sizes_bytes)
        : input(input_bytes), sizes(sizes_bytes) {}

    CudaStream stream;
    Buffers input, sizes;
    std::deque<Buffers> outputs;  // in the engine's order; a deque, for they do not move
  };

  Array array_of(const std::string &name, const void *data) const {
    Array array{engine_->shape(name), {}, {}};
    const std::size_t count = values_of(name);
    if (engine_->is_integer(name)) {
      const auto *const integers = static_cast<const std::int32_t *>(data);
      array.integers.assign(integers, integers + count);
    } else {
      const auto *const values = static_cast<const float *>(data);
      array.values.assign(values, values + count);
    }
    return array;
  }

  static void load_plugin(const Manifest &manifest) {
    constexpr char kLibrary[] = "libvmamba_trt.so";
    if (manifest.files.count(kLibrary) == 0) {
      throw integrity_error("the manifest of " + manifest.folder.string() + " does not list " +
                            kLibrary);
    }
    trt::load_plugin(manifest.folder / kLibrary);
  }

  // The first run of a shape is an ordinary one, in which TensorRT prepares itself; the second is
  // recorded, and from then on the recording is replayed.
  void execute(std::size_t images, Size size) {
    const CudaStream &stream = device_->stream;
    if (images != last_images_ || size != last_size_) {
      graph_.reset();
      last_images_ = 0;
      engine_->set_shape(images, size);
      last_images_ = images;
      last_size_ = size;
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

  // Of one image.
  std::size_t input_bytes(Size size) const {
    const std::size_t each = spec_.normalisation_in_graph ? 1 : sizeof(float);
    return each * static_cast<std::size_t>(spec_.channels() * size.height * size.width);
  }
  // Values of an output for the shape that was set last.
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
  Size last_size_;
};

}  // namespace vmamba_inference
