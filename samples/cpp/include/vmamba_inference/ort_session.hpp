// ONNX Runtime: model.onnx on the CPU or, with its CUDA provider, on a GPU.
#pragma once

#include <onnxruntime_cxx_api.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "vmamba_inference/error.hpp"
#include "vmamba_inference/manifest.hpp"
#include "vmamba_inference/session.hpp"

namespace vmamba_inference {

namespace detail {

inline void require_ort_api() {
  if (OrtGetApiBase()->GetApi(ORT_API_VERSION) != nullptr) return;
  throw environment_problem(
      std::string("ONNX Runtime ") + OrtGetApiBase()->GetVersionString() +
          " is older than the headers that this program was compiled with (interface " +
          std::to_string(ORT_API_VERSION) + ")",
      "use a newer libonnxruntime.so, or compile with its own headers");
}

inline Ort::Env &ort_environment() {
  static Ort::Env environment(ORT_LOGGING_LEVEL_ERROR, "vmamba");
  return environment;
}

inline void append_cuda(Ort::SessionOptions &settings) {
  try {
    settings.AppendExecutionProvider_CUDA(OrtCUDAProviderOptions{});
  } catch (const Ort::Exception &error) {
    throw environment_problem(std::string("ONNX Runtime has no CUDA here: ") + error.what(),
                              "install the GPU build of ONNX Runtime, or leave out --cuda");
  }
}

inline Ort::SessionOptions ort_options(const Manifest &manifest, const Options &options) {
  Ort::SessionOptions settings;
  settings.SetLogSeverityLevel(ORT_LOGGING_LEVEL_ERROR);
  settings.SetIntraOpNumThreads(options.threads);
  // With our library the scan runs in its kernel; without, the file's own definition runs.
  const std::filesystem::path library = manifest.folder / "libvmamba_ort.so";
  if (manifest.files.count("libvmamba_ort.so") != 0) {
    settings.RegisterCustomOpsLibrary(std::filesystem::absolute(library).c_str());
  }
  if (manifest.precision == "int8" || manifest.precision == "fp8") {
    // It would make float products before those of 8-bit integers are looked for.
    settings.AddConfigEntry("optimization.disable_specified_optimizers", "MatMulAddFusion");
  }
  if (options.cuda) {
    settings.AddConfigEntry("session.disable_cpu_ep_fallback", "1");
    append_cuda(settings);
  }
  return settings;
}

inline Error ort_refusal(const std::filesystem::path &model, const std::string &reason) {
  if (reason.find("fallback to CPU EP") != std::string::npos) {
    return environment_problem(
        model.string() +
            " would run on the CPU: ONNX Runtime's CUDA provider did not start, or "
            "libvmamba_ort.so was built without CUDA",
        "ONNX Runtime's own messages, above, say which libraries it lacks");
  }
  return input_file_error("ONNX Runtime cannot load " + model.string() + ": " + reason);
}

}  // namespace detail

class OrtSession final : public Session {
 public:
  // Of a file that takes any batch.
  static constexpr std::size_t kUsualLargestBatch = 32;

  // The files of the folder must have been verified.
  OrtSession(const Manifest &manifest, const Options &options)
      : spec_(manifest.preprocessing), cuda_(options.cuda) {
    detail::require_ort_api();
    if (manifest.precision == "bf16" && !options.cuda) {
      throw environment_problem("ONNX Runtime has no bfloat16 on the CPU",
                                "use --cuda, or export in fp16 or fp32");
    }
    const std::filesystem::path model = manifest.folder / "model.onnx";
    if (manifest.files.count("model.onnx") == 0) {
      throw integrity_error("the manifest of " + manifest.folder.string() +
                            " does not list model.onnx");
    }
    try {
      const Ort::Env &environment = detail::ort_environment();  // before any other of its objects
      session_ = Ort::Session(environment, model.c_str(), detail::ort_options(manifest, options));
      read_signature();
    } catch (const Ort::Exception &error) {
      throw detail::ort_refusal(model, error.what());
    }
  }

  std::string runtime() const override { return cuda_ ? "onnxruntime-cuda" : "onnxruntime"; }
  std::size_t max_batch() const override { return max_batch_; }
  std::size_t min_batch() const override { return min_batch_; }

  // ONNX Runtime's sessions take calls from any number of threads at once.
  Outputs run(const Feed &feed) override {
    const auto images = static_cast<std::int64_t>(feed.images);
    const std::array<std::int64_t, 4> shape = input_shape(images, feed.size);
    const std::size_t each = spec_.normalisation_in_graph ? 1 : sizeof(float);
    const std::size_t bytes =
        each * static_cast<std::size_t>(shape[0] * shape[1] * shape[2] * shape[3]);
    std::vector<std::int64_t> sizes;
    if (input_names_.size() > 1) sizes = completed_sizes(feed);
    const std::array<std::int64_t, 2> sizes_shape{images, 2};
    const auto memory = Ort::MemoryInfo::CreateCpu(OrtArenaAllocator, OrtMemTypeDefault);
    try {
      // The tensor is only read, but the interface takes no pointer to const.
      auto *const data = const_cast<std::uint8_t *>(feed.pixels);
      std::vector<Ort::Value> inputs;
      inputs.push_back(
          Ort::Value::CreateTensor(memory, data, bytes, shape.data(), shape.size(), input_type()));
      if (!sizes.empty()) {
        inputs.push_back(Ort::Value::CreateTensor<std::int64_t>(
            memory, sizes.data(), sizes.size(), sizes_shape.data(), sizes_shape.size()));
      }
      const std::vector<const char *> taken = pointers(input_names_);
      const std::vector<const char *> given = pointers(output_names_);
      const std::vector<Ort::Value> results = session_.Run(
          Ort::RunOptions(), taken.data(), inputs.data(), taken.size(), given.data(), given.size());
      Outputs outputs;
      for (std::size_t i = 0; i < results.size(); ++i) {
        outputs[output_names_[i]] = array_of(results[i], images);
      }
      return outputs;
    } catch (const Ort::Exception &error) {
      throw build_error(std::string("ONNX Runtime could not run the network: ") + error.what());
    }
  }

 private:
  ONNXTensorElementDataType input_type() const {
    return spec_.normalisation_in_graph ? ONNX_TENSOR_ELEMENT_DATA_TYPE_UINT8
                                        : ONNX_TENSOR_ELEMENT_DATA_TYPE_FLOAT;
  }

  static std::vector<const char *> pointers(const std::vector<std::string> &names) {
    std::vector<const char *> texts;
    for (const std::string &name : names) texts.push_back(name.c_str());
    return texts;
  }

  std::array<std::int64_t, 4> input_shape(std::int64_t images, Size size) const {
    if (spec_.normalisation_in_graph) return {images, size.height, size.width, spec_.channels()};
    return {images, spec_.channels(), size.height, size.width};
  }

  void read_signature() {
    Ort::AllocatorWithDefaultOptions allocator;
    for (std::size_t i = 0; i < session_.GetInputCount(); ++i) {
      input_names_.emplace_back(session_.GetInputNameAllocated(i, allocator).get());
    }
    for (std::size_t i = 0; i < session_.GetOutputCount(); ++i) {
      output_names_.emplace_back(session_.GetOutputNameAllocated(i, allocator).get());
    }
    const bool sizes = input_names_.size() == 2 && input_names_[1] == kSizesName;
    if (!(input_names_.size() == 1 || sizes) || output_names_.empty()) {
      throw integrity_error("model.onnx has not one input, or sizes beside it, and outputs");
    }
    const Ort::TypeInfo type = session_.GetInputTypeInfo(0);  // owns what follows
    const auto tensor = type.GetTensorTypeAndShapeInfo();
    const std::vector<std::int64_t> shape = tensor.GetShape();
    const std::array<std::int64_t, 4> wanted = input_shape(-1, spec_.crop());
    bool fits = shape.size() == wanted.size() && tensor.GetElementType() == input_type();
    for (std::size_t i = 1; fits && i < wanted.size(); ++i) {
      fits = shape[i] < 0 || shape[i] == wanted[i];
    }
    if (!fits) throw integrity_error("model.onnx takes other images than its manifest says");
    if (shape[0] > 0) min_batch_ = max_batch_ = static_cast<std::size_t>(shape[0]);
  }

  static Array array_of(const Ort::Value &value, std::int64_t images) {
    const auto facts = value.GetTensorTypeAndShapeInfo();
    const std::vector<std::int64_t> shape = facts.GetShape();
    const bool floats = facts.GetElementType() == ONNX_TENSOR_ELEMENT_DATA_TYPE_FLOAT;
    const bool integers = facts.GetElementType() == ONNX_TENSOR_ELEMENT_DATA_TYPE_INT32;
    if (!(floats || integers) || shape.empty() || shape[0] != images) {
      throw integrity_error("model.onnx gives neither float32 nor int32 with the batch first");
    }
    Array array{{shape.begin(), shape.end()}, {}, {}};
    const std::size_t count = facts.GetElementCount();
    if (floats) {
      const float *const data = value.GetTensorData<float>();
      array.values.assign(data, data + count);
    } else {
      const std::int32_t *const data = value.GetTensorData<std::int32_t>();
      array.integers.assign(data, data + count);
    }
    return array;
  }

  Preprocessing spec_;
  bool cuda_;
  Ort::Session session_{nullptr};
  std::vector<std::string> input_names_;  // the image first
  std::vector<std::string> output_names_;
  std::size_t min_batch_ = 1;
  std::size_t max_batch_ = kUsualLargestBatch;
};

}  // namespace vmamba_inference
