// Drives the plugin through its interface as TensorRT does, over the emulated kernels: create from
// fields, clone, negotiate, size, serialise, recreate, run. Reads one call from a file, writes y.
// usage: plugin_harness CALL_FILE Y_FILE
#include <NvInferRuntime.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <vector>

#include "creator.h"
#include "signature.h"

namespace {

using namespace nvinfer1;
using vmamba::tensorrt::kInputs;
using PluginPtr = std::unique_ptr<IPluginV3>;

void require(bool condition, const char *what) {
  if (condition) return;
  std::fprintf(stderr, "failed: %s\n", what);
  std::exit(1);
}

template <typename Capability>
Capability &capability(IPluginV3 &plugin, PluginCapabilityType type) {
  auto *const found = static_cast<Capability *>(plugin.getCapabilityInterface(type));
  require(found != nullptr, "capability");
  return *found;
}

IPluginV3OneBuild &build_side(IPluginV3 &plugin) {
  return capability<IPluginV3OneBuild>(plugin, PluginCapabilityType::kBUILD);
}

IPluginV3OneRuntime &runtime_side(IPluginV3 &plugin) {
  return capability<IPluginV3OneRuntime>(plugin, PluginCapabilityType::kRUNTIME);
}

struct Call {
  int64_t out_dtype = 0;
  PluginTensorDesc tensors[kInputs + 1] = {};
  std::vector<char> data[kInputs];
};

size_t element_size(DataType type) { return type == DataType::kFLOAT ? 4 : 2; }

size_t tensor_bytes(const PluginTensorDesc &tensor) {
  size_t bytes = element_size(tensor.type);
  for (int32_t i = 0; i < tensor.dims.nbDims; ++i) bytes *= static_cast<size_t>(tensor.dims.d[i]);
  return bytes;
}

int64_t read_integer(std::FILE *file) {
  int64_t value = 0;
  require(std::fread(&value, sizeof(value), 1, file) == 1, "an integer of the call");
  return value;
}

// int64: out_dtype, then per input dtype, rank, extents; then the bytes of the six inputs.
Call read_call(const char *path) {
  std::FILE *const file = std::fopen(path, "rb");
  require(file != nullptr, "opening the call");
  Call call;
  call.out_dtype = read_integer(file);
  for (int32_t i = 0; i < kInputs; ++i) {
    PluginTensorDesc &tensor = call.tensors[i];
    tensor.type = vmamba::tensorrt::data_type_of(static_cast<int32_t>(read_integer(file)));
    tensor.format = TensorFormat::kLINEAR;
    tensor.dims.nbDims = static_cast<int32_t>(read_integer(file));
    for (int32_t axis = 0; axis < tensor.dims.nbDims; ++axis) {
      tensor.dims.d[axis] = read_integer(file);
    }
  }
  for (int32_t i = 0; i < kInputs; ++i) {
    call.data[i].resize(tensor_bytes(call.tensors[i]));
    require(std::fread(call.data[i].data(), 1, call.data[i].size(), file) == call.data[i].size(),
            "the data of the call");
  }
  std::fclose(file);
  return call;
}

// As the parser does, which passes integers as 64 bits and may pass the node's other attributes.
PluginPtr create_from_node(int64_t out_dtype) {
  vmamba::tensorrt::SelectiveScanCreator creator;
  const PluginField fields[] = {{"plugin_namespace", "vmamba", PluginFieldType::kCHAR, 6},
                                {"out_dtype", &out_dtype, PluginFieldType::kINT64, 1},
                                {"plugin_version", "1", PluginFieldType::kCHAR, 1}};
  const PluginFieldCollection collection{3, fields};
  return PluginPtr(creator.createPlugin("scan", &collection, TensorRTPhase::kBUILD));
}

// The tensors of an optimization profile whose largest batch and height exceed the call's.
std::vector<DynamicPluginTensorDesc> profile_of(const Call &call) {
  std::vector<DynamicPluginTensorDesc> profile(kInputs + 1);
  for (int32_t i = 0; i <= kInputs; ++i) {
    DynamicPluginTensorDesc &tensor = profile[static_cast<size_t>(i)];
    tensor.desc = call.tensors[i];
    tensor.min = tensor.opt = tensor.max = call.tensors[i].dims;
    if (tensor.max.nbDims == 4) {
      tensor.max.d[0] += 2;
      tensor.max.d[1] += 3;
      for (int32_t axis = 0; axis < 3; ++axis) tensor.desc.dims.d[axis] = -1;
    }
  }
  return profile;
}

void check_formats(IPluginV3OneBuild &plugin, std::vector<DynamicPluginTensorDesc> profile) {
  for (int32_t i = 0; i <= kInputs; ++i) {
    require(plugin.supportsFormatCombination(i, profile.data(), kInputs, 1), "the call's formats");
    auto &desc = profile[static_cast<size_t>(i)].desc;
    const PluginTensorDesc kept = desc;
    desc.format = TensorFormat::kCHW32;
    require(!plugin.supportsFormatCombination(i, profile.data(), kInputs, 1), "linear alone");
    desc = kept;
    desc.type = DataType::kINT8;
    require(!plugin.supportsFormatCombination(i, profile.data(), kInputs, 1), "no int8");
    desc = kept;
  }
}

size_t negotiate(IPluginV3 &plugin, Call &call) {
  IPluginV3OneBuild &build = build_side(plugin);
  require(build.getNbOutputs() == 1, "one output");
  DataType types[kInputs];
  for (int32_t i = 0; i < kInputs; ++i) types[i] = call.tensors[i].type;
  PluginTensorDesc &y = call.tensors[kInputs];
  y = call.tensors[0];
  require(build.getOutputDataTypes(&y.type, 1, types, kInputs) == 0, "output type");
  require(build.getOutputDataTypes(&y.type, 1, types, kInputs - 1) != 0, "six inputs");
  const auto profile = profile_of(call);
  check_formats(build, profile);
  require(build.configurePlugin(profile.data(), kInputs, &profile[kInputs], 1) == 0, "configure");
  require(build.getTimingCacheID() != nullptr, "timing cache id");
  return build.getWorkspaceSize(profile.data(), kInputs, &profile[kInputs], 1);
}

// What an engine does with a plugin: its fields are written, and read when the engine is loaded.
PluginPtr serialise_and_recreate(PluginPtr plugin) {
  const PluginFieldCollection *const fields = runtime_side(*plugin).getFieldsToSerialize();
  require(fields != nullptr && fields->nbFields == 1, "one field");
  const PluginField &field = fields->fields[0];
  std::vector<char> bytes(sizeof(int32_t) * static_cast<size_t>(field.length));
  std::memcpy(bytes.data(), field.data, bytes.size());
  const PluginField read{field.name, bytes.data(), field.type, field.length};
  plugin.reset();
  const PluginFieldCollection collection{1, &read};
  vmamba::tensorrt::SelectiveScanCreator creator;
  return PluginPtr(creator.createPlugin("scan", &collection, TensorRTPhase::kRUNTIME));
}

void refuse_wrong_shapes(IPluginV3OneRuntime &plugin, const Call &call) {
  for (int32_t i = 0; i < kInputs; ++i) {
    PluginTensorDesc wrong[kInputs];
    std::copy(call.tensors, call.tensors + kInputs, wrong);
    wrong[i].dims.d[wrong[i].dims.nbDims - 1] += 1;
    require(plugin.onShapeChange(wrong, kInputs, &call.tensors[kInputs], 1) != 0, "a wrong shape");
  }
}

std::vector<char> enqueue(IPluginV3OneRuntime &plugin, const Call &call, size_t workspace_bytes) {
  const PluginTensorDesc *const y = &call.tensors[kInputs];
  require(plugin.onShapeChange(call.tensors, kInputs, y, 1) == 0, "shape change");
  const void *inputs[kInputs];
  for (int32_t i = 0; i < kInputs; ++i) inputs[i] = call.data[i].data();
  std::vector<char> result(tensor_bytes(*y), '\xff');
  void *outputs[] = {result.data()};
  void *const workspace = std::aligned_alloc(256, std::max<size_t>(workspace_bytes, 256));
  std::memset(workspace, 0xff, std::max<size_t>(workspace_bytes, 256));
  require(plugin.enqueue(call.tensors, y, inputs, outputs, workspace, nullptr) == 0, "enqueue");
  std::free(workspace);
  return result;
}

}  // namespace

int main(int count, char **arguments) {
  require(count == 3, "usage: plugin_harness CALL_FILE Y_FILE");
  Call call = read_call(arguments[1]);
  PluginPtr built = create_from_node(call.out_dtype);
  require(built != nullptr, "create");
  PluginPtr copy(built->clone());
  built.reset();
  const size_t workspace_bytes = negotiate(*copy, call);
  PluginPtr loaded = serialise_and_recreate(std::move(copy));
  require(loaded != nullptr, "recreate");
  PluginPtr attached(runtime_side(*loaded).attachToContext(nullptr));
  loaded.reset();
  IPluginV3OneRuntime &runtime = runtime_side(*attached);
  refuse_wrong_shapes(runtime, call);
  const std::vector<char> y = enqueue(runtime, call, workspace_bytes);
  std::FILE *const file = std::fopen(arguments[2], "wb");
  require(file != nullptr && std::fwrite(y.data(), 1, y.size(), file) == y.size(), "writing y");
  std::fclose(file);
  return 0;
}
