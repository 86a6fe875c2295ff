// Drives a plugin through its interface as TensorRT does, with no TensorRT library: create from
// fields, clone, negotiate, size, serialise, recreate, attach, run. On a GPU, or over the kernels
// emulated on the host.
// usage: plugin_harness PLUGIN CALL_FILE Y_FILE
// exit codes: 0 done, 1 failed, 77 no GPU
#include <NvInferRuntime.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <memory>
#include <string>
#include <vector>

#include "support/call_file.h"
#include "support/device_memory.h"
#include "support/extents.h"
#include "support/plugin_kinds.h"

namespace {

using namespace nvinfer1;
using namespace vmamba::tests;
using PluginPtr = std::unique_ptr<IPluginV3>;

const PluginKind &kind_of(const char *name, const char *call_path) {
  for (const PluginKind &kind : plugin_kinds()) {
    if (std::strcmp(kind.name, name) != 0) continue;
    const Call call = read_call(call_path, kind.attributes.size(), kind.count());
    if (call.inputs[0].extents.size() == kind.inputs[0].size()) return kind;
  }
  require(false, "a plugin of ours, and a form of it");
  std::abort();
}

PluginPtr create(const PluginKind &kind, const std::vector<PluginField> &fields,
                 TensorRTPhase phase) {
  const PluginFieldCollection collection{static_cast<int32_t>(fields.size()), fields.data()};
  IPluginCreatorV3One *const creator = creator_of(kind);
  require(creator != nullptr, "a creator of IPluginV3");
  return PluginPtr(creator->createPlugin("it", &collection, phase));
}

template <typename Capability>
Capability &capability(IPluginV3 &plugin, PluginCapabilityType type) {
  auto *const found = capability_of<Capability>(plugin, type);
  require(found != nullptr, "capability");
  return *found;
}

IPluginV3OneBuild &build_side(IPluginV3 &plugin) {
  return capability<IPluginV3OneBuild>(plugin, PluginCapabilityType::kBUILD);
}

IPluginV3OneRuntime &runtime_side(IPluginV3 &plugin) {
  return capability<IPluginV3OneRuntime>(plugin, PluginCapabilityType::kRUNTIME);
}

PluginTensorDesc describe(const CallTensor &tensor) {
  PluginTensorDesc desc{};
  desc.type = data_type_of(tensor.dtype);
  desc.format = TensorFormat::kLINEAR;
  desc.dims.nbDims = static_cast<int32_t>(tensor.extents.size());
  std::copy(tensor.extents.begin(), tensor.extents.end(), desc.dims.d);
  return desc;
}

// A node, its tensors, y last.
struct Node {
  const PluginKind &kind;
  const Call &call;
  std::vector<PluginTensorDesc> tensors;
  CallTensor y;

  Node(const PluginKind &of, const Call &with) : kind(of), call(with) {
    std::vector<int64_t> extents;
    for (const char letter : kind.y) {
      const AxisPlace axis = place_of(kind, letter);
      extents.push_back(axis.input == kind.count() ? call.attributes[0].front()
                                                   : call.inputs[axis.input].extents[axis.index]);
    }
    y = make_output(call.out_dtype(), extents);
    for (const CallTensor &tensor : call.inputs) tensors.push_back(describe(tensor));
    tensors.push_back(describe(y));
  }

  int32_t inputs() const { return static_cast<int32_t>(kind.count()); }
  const PluginTensorDesc *y_desc() const { return &tensors.back(); }
};

// As the parser does, which passes integers as 64 bits and may pass the node's other attributes.
PluginPtr create_from_node(const Node &node) {
  std::vector<PluginField> fields = {{"plugin_namespace", "vmamba", PluginFieldType::kCHAR, 6}};
  for (size_t i = 0; i < node.kind.attributes.size(); ++i) {
    fields.push_back({node.kind.attributes[i], node.call.attributes[i].data(),
                      PluginFieldType::kINT64,
                      static_cast<int32_t>(node.call.attributes[i].size())});
  }
  fields.push_back({"plugin_version", "1", PluginFieldType::kCHAR, 1});
  return create(node.kind, fields, TensorRTPhase::kBUILD);
}

// y has the inputs' very extents, those not known yet included.
void check_output_shapes(IPluginV3OneBuild &plugin, const Node &node) {
  const PluginKind &kind = node.kind;
  std::deque<Extent> extents;
  std::vector<DimsExprs> inputs(kind.count());
  for (size_t i = 0; i < kind.count(); ++i) {
    const Dims &dims = node.tensors[i].dims;
    inputs[i].nbDims = dims.nbDims;
    for (int32_t axis = 0; axis < dims.nbDims; ++axis) {
      const bool dynamic = is_dynamic(kind.inputs[i][static_cast<size_t>(axis)]);
      inputs[i].d[axis] = &extents.emplace_back(dynamic ? Extent::kUnknown : dims.d[axis]);
    }
  }
  ExtentBuilder builder;
  DimsExprs y{};
  const auto infer = [&] {
    return plugin.getOutputShapes(inputs.data(), node.inputs(), nullptr, 0, &y, 1, builder);
  };
  require(infer() == 0, "output shape");
  require(y.nbDims == static_cast<int32_t>(kind.y.size()), "the rank of y");
  for (size_t i = 0; i < kind.y.size(); ++i) {
    const AxisPlace axis = place_of(kind, kind.y[i]);
    if (axis.input == kind.count()) {
      require(y.d[i]->isConstant() && y.d[i]->getConstantValue() == node.y.extents[i],
              "an extent from an attribute");
    } else {
      require(y.d[i] == inputs[axis.input].d[axis.index], "an extent of an input");
    }
  }
  const Extent wrong(node.tensors[3].dims.d[1] + 1);
  inputs[3].d[1] = &wrong;
  require(infer() != 0, "refusal of a wrong shape");
}

// An optimization profile whose largest shapes exceed the call's.
std::vector<DynamicPluginTensorDesc> profile_of(const Node &node) {
  std::vector<DynamicPluginTensorDesc> profile(node.tensors.size());
  for (size_t i = 0; i < profile.size(); ++i) {
    const std::string &axes = i < node.kind.count() ? node.kind.inputs[i] : node.kind.y;
    DynamicPluginTensorDesc &tensor = profile[i];
    tensor.desc = node.tensors[i];
    tensor.min = tensor.opt = tensor.max = tensor.desc.dims;
    for (size_t axis = 0; axis < axes.size(); ++axis) {
      if (!is_dynamic(axes[axis])) continue;
      tensor.max.d[axis] += 2;
      tensor.desc.dims.d[axis] = -1;
    }
  }
  return profile;
}

void check_formats(IPluginV3OneBuild &plugin, const Node &node,
                   std::vector<DynamicPluginTensorDesc> profile) {
  for (int32_t i = 0; i <= node.inputs(); ++i) {
    const auto takes = [&] {
      return plugin.supportsFormatCombination(i, profile.data(), node.inputs(), 1);
    };
    require(takes(), "the call's formats");
    PluginTensorDesc &desc = profile[static_cast<size_t>(i)].desc;
    const PluginTensorDesc kept = desc;
    desc.format = TensorFormat::kCHW32;
    require(!takes(), "linear alone");
    desc = kept;
    desc.type = DataType::kINT8;
    require(!takes(), "no int8");
    desc = kept;
  }
}

void check_output_types(IPluginV3OneBuild &plugin, const Node &node) {
  std::vector<DataType> types;
  for (const PluginTensorDesc &tensor : node.tensors) types.push_back(tensor.type);
  DataType y = DataType::kINT8;
  const auto infer = [&](int32_t inputs) {
    return plugin.getOutputDataTypes(&y, 1, types.data(), inputs);
  };
  require(plugin.getNbOutputs() == 1, "one output");
  require(infer(node.inputs()) == 0, "output type");
  require(y == node.y_desc()->type, "the output type of the call");
  require(infer(node.inputs() - 1) != 0, "all inputs");
}

// What the builder asks; the bytes of workspace that it reserves.
size_t negotiate(IPluginV3 &plugin, const Node &node) {
  IPluginV3OneBuild &build = build_side(plugin);
  check_output_types(build, node);
  check_output_shapes(build, node);
  const auto profile = profile_of(node);
  check_formats(build, node, profile);
  const DynamicPluginTensorDesc *const y = &profile.back();
  require(build.configurePlugin(profile.data(), node.inputs(), y, 1) == 0, "configure");
  require(build.getTimingCacheID() != nullptr, "timing cache id");
  return build.getWorkspaceSize(profile.data(), node.inputs(), y, 1);
}

// What an engine does with a plugin: its fields are written, and read when the engine is loaded.
PluginPtr serialise_and_recreate(PluginPtr plugin, const PluginKind &kind) {
  const PluginFieldCollection *const fields = runtime_side(*plugin).getFieldsToSerialize();
  require(fields != nullptr, "fields");
  require(fields->nbFields == static_cast<int32_t>(kind.attributes.size()), "a field for each");
  std::deque<std::vector<char>> bytes;
  std::vector<PluginField> read;
  for (int32_t i = 0; i < fields->nbFields; ++i) {
    const PluginField &field = fields->fields[i];
    bytes.emplace_back(sizeof(int32_t) * static_cast<size_t>(field.length));
    std::memcpy(bytes.back().data(), field.data, bytes.back().size());
    read.push_back({field.name, bytes.back().data(), field.type, field.length});
  }
  plugin.reset();
  return create(kind, read, TensorRTPhase::kRUNTIME);
}

void refuse_wrong_shapes(IPluginV3OneRuntime &plugin, const Node &node) {
  for (size_t i = 0; i < node.kind.count(); ++i) {
    std::vector<PluginTensorDesc> wrong(node.tensors);
    const std::string &axes = node.kind.inputs[i];
    const auto fixed = std::find_if_not(axes.begin(), axes.end(), is_dynamic);
    wrong[i].dims.d[fixed - axes.begin()] += 1;
    require(plugin.onShapeChange(wrong.data(), node.inputs(), node.y_desc(), 1) != 0,
            "refusal of a wrong shape");
  }
}

// y of two enqueues in a stream of its own; the second must give the bits of the first.
std::vector<char> run(IPluginV3OneRuntime &plugin, const Node &node, size_t workspace_bytes) {
  const PluginTensorDesc *const tensors = node.tensors.data();
  require(plugin.onShapeChange(tensors, node.inputs(), node.y_desc(), 1) == 0, "shape change");
  std::deque<DeviceBuffer> buffers;
  std::vector<const void *> inputs;
  for (const CallTensor &tensor : node.call.inputs) {
    inputs.push_back(buffers.emplace_back(tensor.bytes).get());
  }
  const std::vector<char> poison(workspace_bytes, '\xff');
  Stream stream = open_stream();
  std::vector<char> results[2];
  for (std::vector<char> &result : results) {
    const DeviceBuffer workspace(poison), y(node.y.bytes);
    void *outputs[] = {y.get()};
    require(plugin.enqueue(tensors, node.y_desc(), inputs.data(), outputs, workspace.get(),
                           stream) == 0,
            "enqueue");
    finish(stream);
    result = y.read();
  }
  require(results[0] == results[1], "equal bits of two runs");
  return results[0];
}

}  // namespace

int main(int count, char **arguments) {
  require(count == 4, "usage: plugin_harness PLUGIN CALL_FILE Y_FILE");
  open_device();
  const PluginKind &kind = kind_of(arguments[1], arguments[2]);
  const Call call = read_call(arguments[2], kind.attributes.size(), kind.count());
  const Node node(kind, call);
  PluginPtr built = create_from_node(node);
  require(built != nullptr, "create");
  PluginPtr copy(built->clone());
  built.reset();
  const size_t workspace_bytes = negotiate(*copy, node);
  PluginPtr loaded = serialise_and_recreate(std::move(copy), kind);
  require(loaded != nullptr, "recreate");
  PluginPtr attached(runtime_side(*loaded).attachToContext(nullptr));
  loaded.reset();
  IPluginV3OneRuntime &runtime = runtime_side(*attached);
  refuse_wrong_shapes(runtime, node);
  write_bytes(arguments[3], run(runtime, node, workspace_bytes));
  return 0;
}
