// What a node of each of our plugins is, for what drives them with no TensorRT library.
#pragma once

#include <NvInferRuntime.h>

#include <cctype>
#include <cstring>
#include <string>
#include <vector>

#include "vmamba/common.h"

extern "C" nvinfer1::IPluginCreatorInterface *const *getCreators(int32_t &count);

namespace vmamba::tests {

// A letter is an axis: extents of one letter are equal, and those of small letters are not known
// when an engine is built. An axis of y that no input has is the first attribute. An op of two
// forms is two of them, which the number of axes of the first input tells apart.
struct PluginKind {
  const char *name;
  std::vector<const char *> attributes;
  std::vector<std::string> inputs;
  size_t typed;  // the first inputs, which have one type that is chosen; the others are float32
  std::string y;

  size_t count() const { return inputs.size(); }
};

// Further ones stand last: an input of the fuzzer chooses by number.
inline const std::vector<PluginKind> &plugin_kinds() {
  static const std::vector<PluginKind> kinds = {
      {"SelectiveScan2D", {"out_dtype"}, {"bhwD", "bhwF", "4RD", "4D", "4ND", "4D"}, 2, "bhwD"},
      {"MultiLevelRoiAlign",
       {"output_size", "out_dtype"},
       {"bChw", "bCij", "bClm", "bCno", "bk4"},
       4,
       "bkCSS"},
      {"SelectiveScan",
       {"routes", "out_dtype"},
       {"bhwD", "bhwF", "KRD", "KD", "KND", "KD"},
       2,
       "bhwD"},
      {"SelectiveScan",
       {"routes", "out_dtype"},
       {"KbhwD", "KbhwF", "KRD", "KD", "KND", "KD"},
       2,
       "bhwD"},
  };
  return kinds;
}

// Where an axis is found first; `input` is past the last one where none has it.
struct AxisPlace {
  size_t input, index;
};

inline AxisPlace place_of(const PluginKind &kind, char letter) {
  for (size_t i = 0; i < kind.count(); ++i) {
    const size_t index = kind.inputs[i].find(letter);
    if (index != std::string::npos) return {i, index};
  }
  return {kind.count(), 0};
}

inline bool is_dynamic(char letter) {
  return std::islower(static_cast<unsigned char>(letter)) != 0;
}

// Of the library; null where it is missing.
inline nvinfer1::IPluginCreatorV3One *creator_of(const PluginKind &kind) {
  int32_t count = 0;
  nvinfer1::IPluginCreatorInterface *const *const creators = getCreators(count);
  for (int32_t i = 0; i < count; ++i) {
    const nvinfer1::InterfaceInfo info = creators[i]->getInterfaceInfo();
    if (std::strcmp(info.kind, "PLUGIN CREATOR_V3ONE") != 0) continue;
    auto *const creator = static_cast<nvinfer1::IPluginCreatorV3One *>(creators[i]);
    if (std::strcmp(creator->getPluginName(), kind.name) == 0) return creator;
  }
  return nullptr;
}

inline nvinfer1::DataType data_type_of(int32_t dtype) {
  if (dtype == VMAMBA_FLOAT16) return nvinfer1::DataType::kHALF;
  return dtype == VMAMBA_BFLOAT16 ? nvinfer1::DataType::kBF16 : nvinfer1::DataType::kFLOAT;
}

template <typename Capability>
Capability *capability_of(nvinfer1::IPluginV3 &plugin, nvinfer1::PluginCapabilityType type) {
  return static_cast<Capability *>(plugin.getCapabilityInterface(type));
}

}  // namespace vmamba::tests
