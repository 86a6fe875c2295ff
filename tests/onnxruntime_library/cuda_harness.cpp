// Plays ONNX Runtime for the CUDA kernel of the custom-op library, over kernels emulated on the
// host: registers the library, takes the op that it offers for the CUDA provider, runs one call and
// watches what is asked for. Prints what was seen; writes y.
// usage: cuda_harness OP CALL_FILE Y_FILE [no-memory]
#include <onnxruntime_c_api.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <map>
#include <string>
#include <vector>

#include "vmamba/multi_level_roi_align.h"
#include "vmamba/selective_scan.h"

extern "C" OrtStatus *ORT_API_CALL RegisterCustomOps(OrtSessionOptions *options,
                                                     const OrtApiBase *base);

// The interface's opaque types, as this player of ONNX Runtime needs them.
struct OrtStatus {
  std::string text;
};
struct OrtMemoryInfo {};
struct OrtSessionOptions {};
struct OrtKernelInfo {
  std::map<std::string, std::vector<int64_t>> attributes;
};
struct OrtCustomOpDomain {
  std::vector<const OrtCustomOp *> ops;
};
struct OrtTensorTypeAndShapeInfo {
  std::vector<int64_t> shape;
  ONNXTensorElementDataType dtype;
};
struct OrtValue {
  OrtTensorTypeAndShapeInfo type;
  std::vector<char> data;
};
struct OrtKernelContext {
  std::vector<OrtValue> inputs;
  OrtValue output;
  ONNXTensorElementDataType out_dtype;
};

namespace {

struct Seen {
  int streams, allocators, released, scratch, freed;
} seen;

OrtCustomOpDomain the_domain;
OrtMemoryInfo the_device;
bool no_memory = false;

void require(bool condition, const char *what) {
  if (condition) return;
  std::fprintf(stderr, "failed: %s\n", what);
  std::exit(1);
}

size_t bytes_of(const OrtTensorTypeAndShapeInfo &type) {
  size_t bytes = type.dtype == ONNX_TENSOR_ELEMENT_DATA_TYPE_FLOAT ? 4 : 2;
  for (const int64_t extent : type.shape) bytes *= static_cast<size_t>(extent);
  return bytes;
}

OrtStatus *ORT_API_CALL create_status(OrtErrorCode, const char *text) noexcept {
  return new OrtStatus{text};
}

void ORT_API_CALL free_scratch(OrtAllocator *, void *pointer) {
  ++seen.freed;
  std::free(pointer);
}

OrtStatusPtr ORT_API_CALL get_allocator(const OrtKernelContext *, const OrtMemoryInfo *info,
                                        OrtAllocator **out) noexcept {
  require(info == &the_device, "the allocator of the output's device");
  ++seen.allocators;
  *out = new OrtAllocator{};
  (*out)->Free = free_scratch;
  return nullptr;
}

OrtStatusPtr ORT_API_CALL get_scratch(const OrtKernelContext *, const OrtMemoryInfo *info,
                                      size_t bytes, void **out) noexcept {
  require(info == &the_device, "scratch on the output's device");
  if (no_memory) return create_status(ORT_FAIL, "the arena is full");
  ++seen.scratch;
  const size_t rounded = (bytes + 255) / 256 * 256;
  *out = std::aligned_alloc(256, rounded);
  std::memset(*out, 0xff, rounded);
  return nullptr;
}

OrtApi make_api() {
  OrtApi api{};
  api.CreateStatus = create_status;
  api.CreateCustomOpDomain = [](const char *name,
                                OrtCustomOpDomain **out) noexcept -> OrtStatusPtr {
    require(std::string(name) == "vmamba", "the domain's name");
    *out = &the_domain;
    return nullptr;
  };
  api.CustomOpDomain_Add = [](OrtCustomOpDomain *domain,
                              const OrtCustomOp *op) noexcept -> OrtStatusPtr {
    domain->ops.push_back(op);
    return nullptr;
  };
  api.AddCustomOpDomain = [](OrtSessionOptions *, OrtCustomOpDomain *) noexcept -> OrtStatusPtr {
    return nullptr;
  };
  api.KernelInfoGetAttribute_int64 = [](const OrtKernelInfo *info, const char *name,
                                        int64_t *out) noexcept -> OrtStatusPtr {
    *out = info->attributes.at(name).front();
    return nullptr;
  };
  api.KernelInfoGetAttributeArray_int64 = [](const OrtKernelInfo *info, const char *name,
                                             int64_t *out, size_t *size) noexcept -> OrtStatusPtr {
    const std::vector<int64_t> &values = info->attributes.at(name);
    require(out == nullptr || *size >= values.size(), "room for the list");
    if (out != nullptr) std::copy(values.begin(), values.end(), out);
    *size = values.size();
    return nullptr;
  };
  api.KernelContext_GetInput = [](const OrtKernelContext *context, size_t index,
                                  const OrtValue **out) noexcept -> OrtStatusPtr {
    *out = &context->inputs[index];
    return nullptr;
  };
  api.KernelContext_GetOutput = [](OrtKernelContext *context, size_t, const int64_t *dims,
                                   size_t rank, OrtValue **out) noexcept -> OrtStatusPtr {
    context->output.type = {std::vector<int64_t>(dims, dims + rank), context->out_dtype};
    context->output.data.assign(bytes_of(context->output.type), '\xff');
    *out = &context->output;
    return nullptr;
  };
  api.GetTensorTypeAndShape = [](const OrtValue *value,
                                 OrtTensorTypeAndShapeInfo **out) noexcept -> OrtStatusPtr {
    *out = new OrtTensorTypeAndShapeInfo(value->type);
    return nullptr;
  };
  api.ReleaseTensorTypeAndShapeInfo = [](OrtTensorTypeAndShapeInfo *info) noexcept { delete info; };
  api.GetDimensionsCount = [](const OrtTensorTypeAndShapeInfo *info,
                              size_t *out) noexcept -> OrtStatusPtr {
    *out = info->shape.size();
    return nullptr;
  };
  api.GetDimensions = [](const OrtTensorTypeAndShapeInfo *info, int64_t *dims,
                         size_t rank) noexcept -> OrtStatusPtr {
    std::memcpy(dims, info->shape.data(), rank * sizeof(int64_t));
    return nullptr;
  };
  api.GetTensorElementType = [](const OrtTensorTypeAndShapeInfo *info,
                                ONNXTensorElementDataType *out) noexcept -> OrtStatusPtr {
    *out = info->dtype;
    return nullptr;
  };
  api.GetTensorMutableData = [](OrtValue *value, void **out) noexcept -> OrtStatusPtr {
    *out = value->data.data();
    return nullptr;
  };
  api.GetTensorMemoryInfo = [](const OrtValue *,
                               const OrtMemoryInfo **out) noexcept -> OrtStatusPtr {
    *out = &the_device;
    return nullptr;
  };
  api.KernelContext_GetGPUComputeStream = [](const OrtKernelContext *,
                                             void **out) noexcept -> OrtStatusPtr {
    ++seen.streams;
    *out = &seen;
    return nullptr;
  };
  api.KernelContext_GetAllocator = get_allocator;
  api.KernelContext_GetScratchBuffer = get_scratch;
  api.ReleaseAllocator = [](OrtAllocator *allocator) noexcept {
    ++seen.released;
    delete allocator;
  };
  return api;
}

const OrtApi the_api = make_api();  // every function that is not set above is NULL

const OrtCustomOp *register_and_find(const std::string &name, const char *provider) {
  OrtApiBase base{};
  base.GetApi = [](uint32_t) noexcept { return &the_api; };
  OrtSessionOptions options;
  require(RegisterCustomOps(&options, &base) == nullptr, "registering");
  const OrtCustomOp *found = nullptr;
  for (const OrtCustomOp *op : the_domain.ops) {
    const bool fits = std::string(op->GetExecutionProviderType(op)) == provider;
    if (fits && op->GetName(op) == name) found = op;
  }
  require(found != nullptr, "an op for the provider");
  return found;
}

int64_t read_integer(std::FILE *file) {
  int64_t value = 0;
  require(std::fread(&value, sizeof(value), 1, file) == 1, "an integer of the call");
  return value;
}

std::vector<int64_t> read_list(std::FILE *file) {
  std::vector<int64_t> list(static_cast<size_t>(read_integer(file)));
  for (int64_t &each : list) each = read_integer(file);
  return list;
}

// int64: per attribute the number of its values and those, then per input dtype, rank, extents;
// then the bytes of the inputs.
OrtKernelContext read_call(const char *path, const std::vector<std::string> &attributes,
                           size_t inputs, OrtKernelInfo *info) {
  std::FILE *const file = std::fopen(path, "rb");
  require(file != nullptr, "opening the call");
  OrtKernelContext context;
  context.inputs.resize(inputs);
  for (const std::string &name : attributes) info->attributes[name] = read_list(file);
  context.out_dtype = static_cast<ONNXTensorElementDataType>(info->attributes.at("out_dtype")[0]);
  for (OrtValue &input : context.inputs) {
    input.type.dtype = static_cast<ONNXTensorElementDataType>(read_integer(file));
    input.type.shape = read_list(file);
  }
  for (OrtValue &input : context.inputs) {
    input.data.resize(bytes_of(input.type));
    require(std::fread(input.data.data(), 1, input.data.size(), file) == input.data.size(),
            "the data of the call");
  }
  std::fclose(file);
  return context;
}

void write(const char *path, const std::vector<char> &bytes) {
  std::FILE *const file = std::fopen(path, "wb");
  require(file != nullptr, "opening the answer");
  for (const char byte : bytes) std::fputc(byte, file);
  require(std::fclose(file) == 0, "writing the answer");
}

}  // namespace

// The library's ops of the CPU refer to them. Nothing here runs on the CPU.
extern "C" vmamba_status vmamba_roi_align_cpu(const vmamba_roi_align_desc *,
                                              const vmamba_roi_align_args *,
                                              const vmamba_executor *) {
  std::abort();
}
extern "C" vmamba_status vmamba_selective_scan_cpu(const vmamba_selective_scan_desc *,
                                                   const vmamba_selective_scan_args *,
                                                   const vmamba_executor *) {
  std::abort();
}

int main(int count, char **arguments) {
  require(count >= 4, "usage: cuda_harness OP CALL_FILE Y_FILE [no-memory]");
  no_memory = count > 4;
  const std::string name = arguments[1];
  const OrtCustomOp *const op = register_and_find(name, "CUDAExecutionProvider");
  std::vector<std::string> attributes{"out_dtype"};
  if (name == "MultiLevelRoiAlign") attributes.insert(attributes.begin(), "output_size");
  if (name == "SelectiveScan") attributes.insert(attributes.begin(), "routes");
  OrtKernelInfo info;
  OrtKernelContext context = read_call(arguments[2], attributes, op->GetInputTypeCount(op), &info);
  void *kernel = nullptr;
  require(op->CreateKernelV2(op, &the_api, &info, &kernel) == nullptr, "creating the kernel");
  OrtStatus *const status = op->KernelComputeV2(kernel, &context);
  op->KernelDestroy(kernel);
  std::printf("streams=%d allocators=%d released=%d scratch=%d freed=%d status=%s\n", seen.streams,
              seen.allocators, seen.released, seen.scratch, seen.freed,
              status == nullptr ? "ok" : status->text.c_str());
  delete status;
  write(arguments[3], context.output.data);
  return 0;
}
