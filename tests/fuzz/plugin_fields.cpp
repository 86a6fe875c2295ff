// The plugin as an engine or a network of anyone's may drive it: any fields, any bytes where an
// engine keeps them, any types and shapes. It makes a plugin or refuses, and what it accepts fits.
#include <NvInferRuntime.h>

#include <cmath>
#include <deque>
#include <memory>
#include <string>
#include <vector>

#include "bytes.h"
#include "harness.h"
#include "support/extents.h"
#include "vmamba/selective_scan_2d.h"

extern "C" nvinfer1::IPluginCreatorInterface *const *getCreators(int32_t &count);

namespace vmamba::tests {
namespace {

using namespace nvinfer1;
using PluginPtr = std::unique_ptr<IPluginV3>;
constexpr int32_t kInputs = 6;

IPluginCreatorV3One &creator() {
  int32_t count = 0;
  return *static_cast<IPluginCreatorV3One *>(getCreators(count)[0]);
}

bool is_dtype(int64_t value) {
  return value == VMAMBA_FLOAT32 || value == VMAMBA_FLOAT16 || value == VMAMBA_BFLOAT16;
}

// Fields, and the memory behind them: exactly what a field of its type and length points to, where
// that is little.
struct Fields {
  explicit Fields(Bytes &bytes) {
    constexpr const char *kNames[] = {"out_dtype", "out_dtype", "plugin_version", "out_dtypes", ""};
    const int32_t count = bytes.choice(4);
    for (int32_t i = 0; i < count; ++i) {
      const int32_t name = bytes.choice(6);
      const int32_t type = bytes.choice(14);
      const int32_t length = bytes.choice(8) == 0 ? bytes.take<int32_t>() : bytes.choice(3);
      const size_t width = type == static_cast<int32_t>(PluginFieldType::kINT32) ? 4 : 8;
      memory.emplace_back(length == 1 ? width : 1);
      const int64_t value = bytes.choice(2) == 0 ? int64_t{10} : bytes.take<int64_t>();
      std::memcpy(memory.back().data.get(), &value, memory.back().size);
      const void *const data = bytes.choice(8) == 0 ? nullptr : memory.back().data.get();
      all.push_back(
          {name < 5 ? kNames[name] : nullptr, data, static_cast<PluginFieldType>(type), length});
    }
  }

  PluginFieldCollection collection() const {
    return {static_cast<int32_t>(all.size()), all.data()};
  }

  // The integer that the first field called out_dtype holds; 0 where it is none.
  int64_t out_dtype() const {
    for (const PluginField &field : all) {
      if (field.name == nullptr || std::string(field.name) != "out_dtype") continue;
      if (field.data == nullptr || field.length != 1) return 0;
      int64_t wide = 0;
      int32_t narrow = 0;
      if (field.type == PluginFieldType::kINT64) std::memcpy(&wide, field.data, sizeof(wide));
      if (field.type == PluginFieldType::kINT32) std::memcpy(&narrow, field.data, sizeof(narrow));
      return wide + narrow;
    }
    return 0;
  }

  std::deque<Memory> memory;
  std::vector<PluginField> all;
};

template <typename Capability>
Capability &capability(IPluginV3 &plugin, PluginCapabilityType type) {
  return *static_cast<Capability *>(plugin.getCapabilityInterface(type));
}

IPluginV3OneBuild &build_side(IPluginV3 &plugin) {
  return capability<IPluginV3OneBuild>(plugin, PluginCapabilityType::kBUILD);
}

IPluginV3OneRuntime &runtime_side(IPluginV3 &plugin) {
  return capability<IPluginV3OneRuntime>(plugin, PluginCapabilityType::kRUNTIME);
}

// What an engine holds of the plugin: as it was written, or with a byte changed by someone.
PluginPtr recreate(IPluginV3 &plugin, Bytes &bytes) {
  const PluginFieldCollection *const written = runtime_side(plugin).getFieldsToSerialize();
  promise(written != nullptr && written->nbFields == 1, "one field is written");
  int32_t value;
  std::memcpy(&value, written->fields[0].data, sizeof(value));
  promise(is_dtype(value), "what is written is a dtype");
  const bool changed = bytes.choice(2) == 0;
  Memory blob(sizeof(value));
  std::memcpy(blob.data.get(), &value, sizeof(value));
  if (changed) blob.data[static_cast<size_t>(bytes.choice(4))] ^= bytes.take<uint8_t>();
  std::memcpy(&value, blob.data.get(), sizeof(value));
  const PluginField read{"out_dtype", blob.data.get(), PluginFieldType::kINT32, 1};
  const PluginFieldCollection collection{1, &read};
  PluginPtr made(creator().createPlugin("scan", &collection, TensorRTPhase::kRUNTIME));
  promise((made != nullptr) == is_dtype(value), "a plugin is made of a dtype alone");
  return made;
}

DataType data_type_of(int32_t dtype) {
  if (dtype == VMAMBA_FLOAT16) return DataType::kHALF;
  return dtype == VMAMBA_BFLOAT16 ? DataType::kBF16 : DataType::kFLOAT;
}

// The seven tensors of a call that fits, y last.
struct Node {
  explicit Node(Bytes &bytes) {
    constexpr int32_t kDtypes[] = {VMAMBA_FLOAT32, VMAMBA_FLOAT16, VMAMBA_BFLOAT16};
    const DataType type = data_type_of(kDtypes[bytes.choice(3)]);
    int64_t size[6];  // B, H, W, D, R, N
    for (int64_t &each : size)
      each = bytes.choice(16) == 0 ? bytes.take<int64_t>() : bytes.extent();
    const auto [batch, height, width, channels, rank, state] = size;
    const uint64_t features = 4 * (static_cast<uint64_t>(rank) + 2 * static_cast<uint64_t>(state));
    const Dims dims[] = {{4, {batch, height, width, channels}},
                         {4, {batch, height, width, static_cast<int64_t>(features)}},
                         {3, {4, rank, channels}},
                         {2, {4, channels}},
                         {3, {4, state, channels}},
                         {2, {4, channels}},
                         {4, {batch, height, width, channels}}};
    for (int32_t i = 0; i <= kInputs; ++i) {
      tensors[i].desc = {dims[i], i < 2 || i == kInputs ? type : DataType::kFLOAT,
                         TensorFormat::kLINEAR, 1.0f};
      tensors[i].min = tensors[i].opt = tensors[i].max = dims[i];
    }
    spoil(bytes);
  }

  // Changes one thing, or nothing.
  void spoil(Bytes &bytes) {
    DynamicPluginTensorDesc &tensor = tensors[bytes.choice(kInputs + 1)];
    switch (bytes.choice(6)) {
      case 0:
        tensor.desc.type = static_cast<DataType>(bytes.choice(16));
        break;
      case 1:
        tensor.desc.dims.nbDims = tensor.max.nbDims = bytes.choice(Dims::MAX_DIMS + 2) - 1;
        break;
      case 2: {
        const int32_t axis = bytes.choice(Dims::MAX_DIMS);
        tensor.desc.dims.d[axis] = tensor.max.d[axis] = bytes.take<int64_t>();
        break;
      }
      case 3:
        tensor.desc.format = static_cast<TensorFormat>(bytes.choice(16));
        break;
      default:
        break;
    }
  }

  DynamicPluginTensorDesc tensors[kInputs + 1]{};
};

void negotiate(IPluginV3 &plugin, const Node &node, Bytes &bytes) {
  IPluginV3OneBuild &build = build_side(plugin);
  const int32_t inputs = bytes.choice(8) == 0 ? bytes.choice(8) : kInputs;
  const int32_t outputs = bytes.choice(16) == 0 ? bytes.choice(3) : 1;
  const DynamicPluginTensorDesc *const y = &node.tensors[kInputs];
  for (int32_t position = 0; position <= kInputs; ++position) {
    build.supportsFormatCombination(position, node.tensors, inputs, outputs);
  }
  DataType types[kInputs], y_type = DataType::kINT8;
  for (int32_t i = 0; i < kInputs; ++i) types[i] = node.tensors[i].desc.type;
  if (build.getOutputDataTypes(&y_type, outputs, types, inputs) == 0) {
    promise(y_type == DataType::kFLOAT || y_type == types[0], "y is float32, or of the type of x");
  }
  const bool fits = build.configurePlugin(node.tensors, inputs, y, outputs) == 0;
  promise(!fits || (inputs == kInputs && outputs == 1), "six inputs and one output");
  const size_t workspace = build.getWorkspaceSize(node.tensors, inputs, y, outputs);
  promise(fits || workspace == 0, "no workspace for what does not fit");
}

// The shapes with some extents not known yet.
void infer_shapes(IPluginV3 &plugin, const Node &node, Bytes &bytes) {
  std::deque<Extent> extents;
  DimsExprs inputs[kInputs];
  for (int32_t i = 0; i < kInputs; ++i) {
    const Dims &dims = node.tensors[i].desc.dims;
    inputs[i].nbDims = dims.nbDims;
    for (int32_t axis = 0; axis < dims.nbDims; ++axis) {
      const int64_t extent = bytes.choice(4) == 0 ? Extent::kUnknown : dims.d[axis];
      inputs[i].d[axis] = &extents.emplace_back(extent);
    }
  }
  ExtentBuilder builder;
  DimsExprs y{};
  if (build_side(plugin).getOutputShapes(inputs, kInputs, nullptr, 0, &y, 1, builder) == 0) {
    promise(y.nbDims == 4 && std::equal(y.d, y.d + 4, inputs[0].d), "y has the shape of x");
  }
}

void change_shape(IPluginV3 &plugin, const Node &node) {
  PluginTensorDesc descs[kInputs + 1];
  for (int32_t i = 0; i <= kInputs; ++i) descs[i] = node.tensors[i].desc;
  runtime_side(plugin).onShapeChange(descs, kInputs, &descs[kInputs], 1);
}

}  // namespace

int run_input(const uint8_t *data, size_t size) {
  Bytes bytes(data, size);
  const Fields fields(bytes);
  const PluginFieldCollection collection = fields.collection();
  const char *const name = bytes.choice(8) == 0 ? nullptr : "scan";
  PluginPtr plugin(creator().createPlugin(name, &collection, TensorRTPhase::kBUILD));
  promise((plugin != nullptr) == is_dtype(fields.out_dtype()), "a plugin is made of a dtype alone");
  if (plugin == nullptr) return 0;
  PluginPtr copy(plugin->clone());
  const Node node(bytes);
  negotiate(*copy, node, bytes);
  infer_shapes(*copy, node, bytes);
  if (PluginPtr loaded = recreate(*copy, bytes); loaded != nullptr) {
    PluginPtr attached(runtime_side(*loaded).attachToContext(nullptr));
    change_shape(*attached, node);
  }
  return 0;
}

}  // namespace vmamba::tests
