// Drives the plugin through its interface as TensorRT does, with no TensorRT library: create from
// fields, clone, negotiate, size, serialise, recreate, attach, run. On a GPU, or over the kernels
// emulated on the host.
// usage: plugin_harness CALL_FILE Y_FILE
// exit codes: 0 done, 1 failed, 77 no GPU
#include <NvInferRuntime.h>

#include <algorithm>
#include <cstring>
#include <deque>
#include <memory>
#include <vector>

#include "support/call_file.h"
#include "support/device_memory.h"
#include "support/extents.h"

extern "C" nvinfer1::IPluginCreatorInterface *const *getCreators(int32_t &count);

namespace {

using namespace nvinfer1;
using namespace vmamba::tests;
using PluginPtr = std::unique_ptr<IPluginV3>;
constexpr int32_t kInputs = kCallInputs;

IPluginCreatorV3One &creator() {
  int32_t count = 0;
  IPluginCreatorInterface *const *const creators = getCreators(count);
  require(count == 1, "one creator");
  const InterfaceInfo info = creators[0]->getInterfaceInfo();
  require(std::strcmp(info.kind, "PLUGIN CREATOR_V3ONE") == 0, "a creator of IPluginV3");
  return *static_cast<IPluginCreatorV3One *>(creators[0]);
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

DataType data_type_of(int32_t dtype) {
  if (dtype == VMAMBA_FLOAT16) return DataType::kHALF;
  return dtype == VMAMBA_BFLOAT16 ? DataType::kBF16 : DataType::kFLOAT;
}

PluginTensorDesc describe(const CallTensor &tensor) {
  PluginTensorDesc desc{};
  desc.type = data_type_of(tensor.dtype);
  desc.format = TensorFormat::kLINEAR;
  desc.dims.nbDims = static_cast<int32_t>(tensor.extents.size());
  std::copy(tensor.extents.begin(), tensor.extents.end(), desc.dims.d);
  return desc;
}

// The tensors of the node, y last.
struct Node {
  PluginTensorDesc tensors[kInputs + 1];

  explicit Node(const Call &call) {
    for (int32_t i = 0; i < kInputs; ++i) tensors[i] = describe(call.inputs[i]);
    tensors[kInputs] = describe(call.output());
  }
  const PluginTensorDesc *y() const { return &tensors[kInputs]; }
};

// As the parser does, which passes integers as 64 bits and may pass the node's other attributes.
PluginPtr create_from_node(int64_t out_dtype) {
  const PluginField fields[] = {{"plugin_namespace", "vmamba", PluginFieldType::kCHAR, 6},
                                {"out_dtype", &out_dtype, PluginFieldType::kINT64, 1},
                                {"plugin_version", "1", PluginFieldType::kCHAR, 1}};
  const PluginFieldCollection collection{3, fields};
  return PluginPtr(creator().createPlugin("scan", &collection, TensorRTPhase::kBUILD));
}

// y has x's very extents, those not known yet included.
void check_output_shapes(IPluginV3OneBuild &plugin, const Node &node) {
  std::deque<Extent> extents;
  DimsExprs inputs[kInputs];
  for (int32_t i = 0; i < kInputs; ++i) {
    const Dims &dims = node.tensors[i].dims;
    inputs[i].nbDims = dims.nbDims;
    for (int32_t axis = 0; axis < dims.nbDims; ++axis) {
      const bool dynamic = dims.nbDims == 4 && axis < 3;
      inputs[i].d[axis] = &extents.emplace_back(dynamic ? Extent::kUnknown : dims.d[axis]);
    }
  }
  ExtentBuilder builder;
  DimsExprs y{};
  require(plugin.getOutputShapes(inputs, kInputs, nullptr, 0, &y, 1, builder) == 0, "output shape");
  require(y.nbDims == 4 && std::equal(y.d, y.d + 4, inputs[0].d), "the shape of x");
  const Extent wrong(node.tensors[3].dims.d[1] + 1);
  inputs[3].d[1] = &wrong;
  require(plugin.getOutputShapes(inputs, kInputs, nullptr, 0, &y, 1, builder) != 0,
          "refusal of a wrong shape");
}

// An optimization profile whose largest batch and height exceed the call's.
std::vector<DynamicPluginTensorDesc> profile_of(const Node &node) {
  std::vector<DynamicPluginTensorDesc> profile(kInputs + 1);
  for (int32_t i = 0; i <= kInputs; ++i) {
    DynamicPluginTensorDesc &tensor = profile[static_cast<size_t>(i)];
    tensor.desc = node.tensors[i];
    tensor.min = tensor.opt = tensor.max = tensor.desc.dims;
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
    PluginTensorDesc &desc = profile[static_cast<size_t>(i)].desc;
    const PluginTensorDesc kept = desc;
    desc.format = TensorFormat::kCHW32;
    require(!plugin.supportsFormatCombination(i, profile.data(), kInputs, 1), "linear alone");
    desc = kept;
    desc.type = DataType::kINT8;
    require(!plugin.supportsFormatCombination(i, profile.data(), kInputs, 1), "no int8");
    desc = kept;
  }
}

void check_output_types(IPluginV3OneBuild &plugin, const Node &node) {
  DataType types[kInputs], y = DataType::kINT8;
  for (int32_t i = 0; i < kInputs; ++i) types[i] = node.tensors[i].type;
  require(plugin.getNbOutputs() == 1, "one output");
  require(plugin.getOutputDataTypes(&y, 1, types, kInputs) == 0, "output type");
  require(y == node.y()->type, "the output type of the call");
  require(plugin.getOutputDataTypes(&y, 1, types, kInputs - 1) != 0, "six inputs");
}

// What the builder asks; the bytes of workspace that it reserves.
size_t negotiate(IPluginV3 &plugin, const Node &node) {
  IPluginV3OneBuild &build = build_side(plugin);
  check_output_types(build, node);
  check_output_shapes(build, node);
  const auto profile = profile_of(node);
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
  return PluginPtr(creator().createPlugin("scan", &collection, TensorRTPhase::kRUNTIME));
}

void refuse_wrong_shapes(IPluginV3OneRuntime &plugin, const Node &node) {
  for (int32_t i = 0; i < kInputs; ++i) {
    PluginTensorDesc wrong[kInputs];
    std::copy(node.tensors, node.tensors + kInputs, wrong);
    wrong[i].dims.d[wrong[i].dims.nbDims - 1] += 1;
    require(plugin.onShapeChange(wrong, kInputs, node.y(), 1) != 0, "refusal of a wrong shape");
  }
}

// y of two enqueues in a stream of its own; the second must give the bits of the first.
std::vector<char> run(IPluginV3OneRuntime &plugin, const Call &call, const Node &node,
                      size_t workspace_bytes) {
  require(plugin.onShapeChange(node.tensors, kInputs, node.y(), 1) == 0, "shape change");
  std::vector<std::unique_ptr<DeviceBuffer>> buffers;
  const void *inputs[kInputs];
  for (int32_t i = 0; i < kInputs; ++i) {
    buffers.push_back(std::make_unique<DeviceBuffer>(call.inputs[i].bytes));
    inputs[i] = buffers.back()->get();
  }
  const std::vector<char> poison(workspace_bytes, '\xff');
  Stream stream = open_stream();
  std::vector<char> results[2];
  for (std::vector<char> &result : results) {
    const DeviceBuffer workspace(poison), y(call.output().bytes);
    void *outputs[] = {y.get()};
    require(plugin.enqueue(node.tensors, node.y(), inputs, outputs, workspace.get(), stream) == 0,
            "enqueue");
    finish(stream);
    result = y.read();
  }
  require(results[0] == results[1], "equal bits of two runs");
  return results[0];
}

}  // namespace

int main(int count, char **arguments) {
  require(count == 3, "usage: plugin_harness CALL_FILE Y_FILE");
  open_device();
  const Call call = read_call(arguments[1]);
  const Node node(call);
  PluginPtr built = create_from_node(call.out_dtype);
  require(built != nullptr, "create");
  PluginPtr copy(built->clone());
  built.reset();
  const size_t workspace_bytes = negotiate(*copy, node);
  PluginPtr loaded = serialise_and_recreate(std::move(copy));
  require(loaded != nullptr, "recreate");
  PluginPtr attached(runtime_side(*loaded).attachToContext(nullptr));
  loaded.reset();
  IPluginV3OneRuntime &runtime = runtime_side(*attached);
  refuse_wrong_shapes(runtime, node);
  write_bytes(arguments[2], run(runtime, call, node, workspace_bytes));
  return 0;
}
