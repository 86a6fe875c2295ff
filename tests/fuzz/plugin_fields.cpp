// The plugins as an engine or a network of anyone's may drive them: any fields, any bytes where an
// engine keeps them, any types and shapes. A plugin is made or refused, and what it accepts fits.
#include <NvInferRuntime.h>

#include <algorithm>
#include <deque>
#include <memory>
#include <string>
#include <vector>

#include "bytes.h"
#include "harness.h"
#include "support/extents.h"
#include "support/plugin_kinds.h"
#include "vmamba/selective_scan.h"

namespace vmamba::tests {
namespace {

using namespace nvinfer1;
using PluginPtr = std::unique_ptr<IPluginV3>;
constexpr int32_t kMostInputs = 6;

PluginPtr create(const PluginKind &kind, const char *name, const std::vector<PluginField> &fields,
                 TensorRTPhase phase) {
  const PluginFieldCollection collection{static_cast<int32_t>(fields.size()), fields.data()};
  return PluginPtr(creator_of(kind)->createPlugin(name, &collection, phase));
}

using Values = std::vector<int64_t>;

bool is_list(const std::string &attribute) { return attribute == "routes"; }

// Whether an attribute may have such a value.
bool has_value(const std::string &attribute, const Values &values) {
  if (is_list(attribute)) {
    const auto is_direction = [](int64_t value) { return 0 <= value && value <= 3; };
    return 1 <= values.size() && values.size() <= VMAMBA_MOST_ROUTES &&
           std::all_of(values.begin(), values.end(), is_direction);
  }
  if (values.size() != 1) return false;
  const int64_t value = values.front();
  if (attribute == "output_size") return 1 <= value && value <= 64;
  return value == VMAMBA_FLOAT32 || value == VMAMBA_FLOAT16 || value == VMAMBA_BFLOAT16;
}

size_t width_of(PluginFieldType type) { return type == PluginFieldType::kINT32 ? 4 : 8; }

// The integers behind a field, as far as it has them.
Values values_of(const PluginField &field) {
  const bool integers =
      field.type == PluginFieldType::kINT32 || field.type == PluginFieldType::kINT64;
  if (field.data == nullptr || !integers || field.length < 1 || field.length > 4) return {};
  Values values;
  for (int32_t i = 0; i < field.length; ++i) {
    const auto *const at = static_cast<const char *>(field.data) + width_of(field.type) * i;
    int64_t wide = 0;
    int32_t narrow = 0;
    if (field.type == PluginFieldType::kINT64) std::memcpy(&wide, at, sizeof(wide));
    if (field.type == PluginFieldType::kINT32) std::memcpy(&narrow, at, sizeof(narrow));
    values.push_back(wide + narrow);
  }
  return values;
}

// Fields, and the memory behind them: exactly what a field of its type and length points to, of a
// long one the first values.
struct Fields {
  Fields(Bytes &bytes, const PluginKind &kind) {
    const char *const names[] = {kind.attributes.front(), kind.attributes.back(), "plugin_version",
                                 "out_dtypes", ""};
    const int32_t count = bytes.choice(4);
    for (int32_t i = 0; i < count; ++i) {
      const int32_t name = bytes.choice(6);
      const int32_t type = bytes.choice(14);
      const int32_t most = is_list(kind.attributes.front()) ? 6 : 3;
      const int32_t length = bytes.choice(8) == 0 ? bytes.take<int32_t>() : bytes.choice(most);
      const size_t width = width_of(static_cast<PluginFieldType>(type));
      const auto kept = static_cast<size_t>(std::clamp(length, 0, 4));
      memory.emplace_back(std::max<size_t>(width * kept, 1));
      const int64_t value = bytes.choice(2) == 0 ? int64_t{10} : bytes.take<int64_t>();
      const bool routes = name < 5 && is_list(names[name]) && value == 10;
      for (size_t at = 0; at < kept; ++at) {
        const int64_t one = routes ? static_cast<int64_t>(kept == 2 ? 2 * at : at) : value;
        std::memcpy(memory.back().data.get() + width * at, &one, width);
      }
      const void *const data = bytes.choice(8) == 0 ? nullptr : memory.back().data.get();
      all.push_back(
          {name < 5 ? names[name] : nullptr, data, static_cast<PluginFieldType>(type), length});
    }
  }

  // Whether every attribute has a value that it may have.
  bool are_valid(const PluginKind &kind) const {
    return std::all_of(kind.attributes.begin(), kind.attributes.end(),
                       [&](const char *name) { return has_value(name, values(name)); });
  }

  // What the first field of this name holds; nothing where it is no integer and no list of few.
  Values values(const std::string &name) const {
    for (const PluginField &field : all) {
      if (field.name != nullptr && field.name == name) return values_of(field);
    }
    return {};
  }

  std::deque<Memory> memory;
  std::vector<PluginField> all;
};

IPluginV3OneBuild &build_side(IPluginV3 &plugin) {
  return *capability_of<IPluginV3OneBuild>(plugin, PluginCapabilityType::kBUILD);
}

IPluginV3OneRuntime &runtime_side(IPluginV3 &plugin) {
  return *capability_of<IPluginV3OneRuntime>(plugin, PluginCapabilityType::kRUNTIME);
}

// What an engine holds of the plugin: as it was written, or with a byte changed by someone.
PluginPtr recreate(IPluginV3 &plugin, const PluginKind &kind, Bytes &bytes) {
  const PluginFieldCollection *const written = runtime_side(plugin).getFieldsToSerialize();
  const auto count = static_cast<int32_t>(kind.attributes.size());
  promise(written != nullptr && written->nbFields == count, "each attribute is written");
  const int32_t changed = bytes.choice(2 * count);  // none of them, in half of all cases
  std::deque<Memory> blobs;
  std::vector<PluginField> read;
  bool valid = true;
  for (int32_t i = 0; i < count; ++i) {
    const char *const name = kind.attributes[static_cast<size_t>(i)];
    const PluginField &field = written->fields[i];
    promise(field.type == PluginFieldType::kINT32 && has_value(name, values_of(field)),
            "what is written is a value of the attribute");
    const int32_t size = 4 * field.length;
    unsigned char *const blob = blobs.emplace_back(static_cast<size_t>(size)).data.get();
    std::memcpy(blob, field.data, static_cast<size_t>(size));
    if (i == changed) blob[bytes.choice(size)] ^= bytes.take<uint8_t>();
    read.push_back({name, blob, field.type, field.length});
    valid = valid && has_value(name, values_of(read.back()));
  }
  PluginPtr made = create(kind, "it", read, TensorRTPhase::kRUNTIME);
  promise((made != nullptr) == valid, "a plugin is made of such values alone");
  return made;
}

// The extents of a call that fits, by letter.
struct Sizes {
  Sizes(Bytes &bytes, const PluginKind &kind, size_t routes) {
    for (const std::string &axes : kind.inputs) {
      for (const char letter : axes) {
        if (of(letter) == 0) {
          of(letter) = bytes.choice(16) == 0 ? bytes.take<int64_t>() : bytes.extent();
        }
      }
    }
    of('4') = 4;
    of('S') = 7;
    of('K') = static_cast<int64_t>(routes);
    const auto number = [this](char letter) { return static_cast<uint64_t>(of(letter)); };
    const bool channel_steps = routes > 0 && bytes.choice(2) == 0;
    if (channel_steps) of('R') = 1;
    const uint64_t routes_of_pixel = kind.inputs[0].size() == 5 ? 1 : routes > 0 ? routes : 4;
    const uint64_t features = number(channel_steps ? 'D' : 'R') + 2 * number('N');
    of('F') = static_cast<int64_t>(routes_of_pixel * features);
  }

  int64_t &of(char letter) { return all[static_cast<size_t>(letter)]; }

  int64_t all[128] = {};
};

// The tensors of a call that fits, y last.
struct Node {
  Node(Bytes &bytes, const PluginKind &kind, size_t routes)
      : inputs(static_cast<int32_t>(kind.count())) {
    constexpr int32_t kDtypes[] = {VMAMBA_FLOAT32, VMAMBA_FLOAT16, VMAMBA_BFLOAT16};
    const DataType type = data_type_of(kDtypes[bytes.choice(3)]);
    Sizes sizes(bytes, kind, routes);
    for (size_t i = 0; i <= kind.count(); ++i) {
      const bool is_y = i == kind.count();
      const std::string &axes = is_y ? kind.y : kind.inputs[i];
      Dims dims{static_cast<int32_t>(axes.size()), {}};
      std::transform(axes.begin(), axes.end(), dims.d,
                     [&](char letter) { return sizes.of(letter); });
      const DataType own = is_y || i < kind.typed ? type : DataType::kFLOAT;
      tensors[i].desc = {dims, own, TensorFormat::kLINEAR, 1.0f};
      tensors[i].min = tensors[i].opt = tensors[i].max = dims;
    }
    spoil(bytes);
  }

  // Changes one thing, or nothing.
  void spoil(Bytes &bytes) {
    DynamicPluginTensorDesc &tensor = tensors[bytes.choice(inputs + 1)];
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

  const DynamicPluginTensorDesc *y() const { return &tensors[inputs]; }

  const int32_t inputs;
  DynamicPluginTensorDesc tensors[kMostInputs + 1]{};
};

void negotiate(IPluginV3 &plugin, const Node &node, Bytes &bytes) {
  IPluginV3OneBuild &build = build_side(plugin);
  const int32_t inputs = bytes.choice(8) == 0 ? bytes.choice(8) : node.inputs;
  const int32_t outputs = bytes.choice(16) == 0 ? bytes.choice(3) : 1;
  for (int32_t position = 0; position <= node.inputs; ++position) {
    build.supportsFormatCombination(position, node.tensors, inputs, outputs);
  }
  DataType types[kMostInputs], y_type = DataType::kINT8;
  for (int32_t i = 0; i < node.inputs; ++i) types[i] = node.tensors[i].desc.type;
  if (build.getOutputDataTypes(&y_type, outputs, types, inputs) == 0) {
    promise(y_type == DataType::kFLOAT || y_type == types[0],
            "y is float32, or of the type of the first input");
  }
  const bool fits = build.configurePlugin(node.tensors, inputs, node.y(), outputs) == 0;
  promise(!fits || (inputs == node.inputs && outputs == 1), "the op's inputs and one output");
  const size_t workspace = build.getWorkspaceSize(node.tensors, inputs, node.y(), outputs);
  promise(fits || workspace == 0, "no workspace for what does not fit");
}

// The shapes with some extents not known yet.
void infer_shapes(IPluginV3 &plugin, const PluginKind &kind, const Node &node, Bytes &bytes) {
  std::deque<Extent> extents;
  DimsExprs inputs[kMostInputs];
  for (int32_t i = 0; i < node.inputs; ++i) {
    const Dims &dims = node.tensors[i].desc.dims;
    inputs[i].nbDims = dims.nbDims;
    for (int32_t axis = 0; axis < dims.nbDims; ++axis) {
      const int64_t extent = bytes.choice(4) == 0 ? Extent::kUnknown : dims.d[axis];
      inputs[i].d[axis] = &extents.emplace_back(extent);
    }
  }
  ExtentBuilder builder;
  DimsExprs y{};
  IPluginV3OneBuild &build = build_side(plugin);
  if (build.getOutputShapes(inputs, node.inputs, nullptr, 0, &y, 1, builder) != 0) return;
  promise(y.nbDims == static_cast<int32_t>(kind.y.size()), "the rank of y");
  for (size_t i = 0; i < kind.y.size(); ++i) {
    const AxisPlace from = place_of(kind, kind.y[i]);
    promise(from.input == kind.count() ? y.d[i]->isConstant()
                                       : y.d[i] == inputs[from.input].d[from.index],
            "y has extents of the inputs, or of an attribute");
  }
}

void change_shape(IPluginV3 &plugin, const Node &node) {
  PluginTensorDesc descs[kMostInputs + 1];
  for (int32_t i = 0; i <= node.inputs; ++i) descs[i] = node.tensors[i].desc;
  runtime_side(plugin).onShapeChange(descs, node.inputs, &descs[node.inputs], 1);
}

}  // namespace

// The last byte chooses the plugin and its form: what comes before means the same for all.
int run_input(const uint8_t *data, size_t size) {
  if (size == 0) return 0;
  const PluginKind &kind = plugin_kinds()[data[size - 1] % plugin_kinds().size()];
  Bytes bytes(data, size - 1);
  const Fields fields(bytes, kind);
  const char *const name = bytes.choice(8) == 0 ? nullptr : "it";
  PluginPtr plugin = create(kind, name, fields.all, TensorRTPhase::kBUILD);
  promise((plugin != nullptr) == fields.are_valid(kind), "a plugin is made of valid fields alone");
  if (plugin == nullptr) return 0;
  PluginPtr copy(plugin->clone());
  const Node node(bytes, kind, fields.values("routes").size());
  negotiate(*copy, node, bytes);
  infer_shapes(*copy, kind, node, bytes);
  if (PluginPtr loaded = recreate(*copy, kind, bytes); loaded != nullptr) {
    PluginPtr attached(runtime_side(*loaded).attachToContext(nullptr));
    change_shape(*attached, node);
  }
  return 0;
}

}  // namespace vmamba::tests
