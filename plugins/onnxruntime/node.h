// One call of an op (see common/signature.h), on either execution provider. Errors inside this
// library are exceptions that carry an OrtStatus; none leaves it (see guarded).
#pragma once

#include <onnxruntime_c_api.h>

#include <cstdint>
#include <exception>
#include <new>
#include <string>
#include <utility>
#include <vector>

#include "common/signature.h"

namespace vmamba::ort {

// The C interface of the ONNX Runtime that loaded this library; set before anything else is called.
extern const OrtApi *api;

class OrtError : public std::exception {
 public:
  explicit OrtError(OrtStatus *status) : status_(status) {}
  OrtError(OrtErrorCode code, const std::string &text)
      : status_(api->CreateStatus(code, text.c_str())) {}
  OrtStatus *status() const { return status_; }

 private:
  OrtStatus *status_;  // passed on to ONNX Runtime, which releases it
};

inline void check(OrtStatus *status) {
  if (status != nullptr) throw OrtError(status);
}

// Runs body and turns what it throws into the status that ONNX Runtime expects.
template <typename Body>
OrtStatus *guarded(Body &&body) noexcept {
  try {
    std::forward<Body>(body)();
    return nullptr;
  } catch (const OrtError &error) {
    return error.status();
  } catch (const std::bad_alloc &) {
    return api->CreateStatus(ORT_FAIL, "libvmamba_ort.so: out of memory");
  } catch (const std::exception &error) {
    return api->CreateStatus(ORT_RUNTIME_EXCEPTION, error.what());
  }
}

template <typename Op>
[[noreturn]] void reject(const std::string &text) {
  throw OrtError(ORT_INVALID_ARGUMENT, std::string("vmamba::") + Op::kName + ": " + text);
}

// Throws with vmamba_last_error's text unless status is VMAMBA_OK.
template <typename Op>
void check_status(vmamba_status status) {
  if (status == VMAMBA_OK) return;
  if (status == VMAMBA_INVALID_ARGUMENT) reject<Op>(vmamba_last_error());
  throw OrtError(ORT_FAIL, std::string("vmamba::") + Op::kName + ": " + vmamba_last_error());
}

// The state of a node; its lifetime is the session's.
template <typename Op>
struct Node {
  AttributeValue attributes[Op::kAttributes];
};

struct InputTensor {
  std::vector<int64_t> shape;
  ONNXTensorElementDataType dtype;
  const void *data;
};

// Of undefined dtype where the node was given no such input.
InputTensor read_input(const OrtKernelContext *context, size_t index);

struct OutputTensor {
  const OrtValue *value;
  void *data;
};

OutputTensor make_output(OrtKernelContext *context, const Shape &shape);

template <typename Op>
struct PreparedCall {
  typename Op::Desc desc;
  typename Op::Args args;
  const OrtValue *output;
};

// Reads the inputs, checks their shapes and dtypes, and allocates the output.
template <typename Op>
PreparedCall<Op> prepare_call(const Node<Op> &node, OrtKernelContext *context) {
  CallFacts<Op> facts;
  const void *pointers[Op::kInputs];
  for (int32_t i = 0; i < Op::kInputs; ++i) {
    const InputTensor tensor = read_input(context, static_cast<size_t>(i));
    if (tensor.dtype == ONNX_TENSOR_ELEMENT_DATA_TYPE_UNDEFINED) {
      reject<Op>(std::string("input ") + Op::kInputSpecs[i].name + " is missing");
    }
    facts.dtypes[i] = tensor.dtype;  // ONNX's numbers on both sides
    facts.shapes[i] = make_shape(tensor.shape.data(), static_cast<int64_t>(tensor.shape.size()));
    pointers[i] = tensor.data;
  }
  for (int32_t i = 0; i < Op::kAttributes; ++i) facts.attributes[i] = node.attributes[i];
  PreparedCall<Op> call{};
  Problem problem;
  if (!describe_call(facts, &call.desc, &problem)) reject<Op>(problem.text);
  check_status<Op>(Op::validate(call.desc));
  const OutputTensor y = make_output(context, output_shape(facts));
  call.args = Op::make_args(pointers, y.data);
  call.output = y.value;
  return call;
}

// The threads of the session, for one call.
class SessionThreads {
 public:
  explicit SessionThreads(const OrtKernelContext *context) : context_(context) {}
  vmamba_executor executor() noexcept;
  // What ONNX Runtime said of running the tasks; to be released.
  OrtStatus *status() const { return status_; }

 private:
  static void parallel_for(void *self, int64_t count, vmamba_task task, void *arg);

  const OrtKernelContext *context_;
  OrtStatus *status_ = nullptr;
};

// The CPU kernel on the threads of the session.
template <typename Op>
void compute_cpu(const Node<Op> &node, OrtKernelContext *context) {
  const PreparedCall<Op> call = prepare_call(node, context);
  SessionThreads threads(context);
  const vmamba_status status = Op::run_cpu(call.desc, call.args, threads.executor());
  check(threads.status());
  check_status<Op>(status);
}

#ifdef VMAMBA_ORT_CUDA
// Device memory for one launch; none, and NULL, for 0 bytes. It goes back to the session's arena as
// soon as the kernels are in the stream: the arena remembers the stream and gives the block to
// later work of that stream only.
class Scratch {
 public:
  Scratch(const OrtKernelContext *context, const OrtValue *beside, size_t bytes);
  ~Scratch();
  Scratch(const Scratch &) = delete;
  Scratch &operator=(const Scratch &) = delete;

  void *pointer() const { return pointer_; }

 private:
  OrtAllocator *allocator_ = nullptr;
  void *pointer_ = nullptr;
};

// The CUDA kernel on the session's stream, its workspace from the session's allocator. It waits for
// no device and allocates nothing outside that allocator, so a CUDA graph can capture it.
template <typename Op>
void compute_cuda(const Node<Op> &node, OrtKernelContext *context) {
  const PreparedCall<Op> call = prepare_call(node, context);
  void *stream = nullptr;
  check(api->KernelContext_GetGPUComputeStream(context, &stream));
  size_t bytes = 0;
  check_status<Op>(Op::workspace_bytes(call.desc, &bytes));
  const Scratch scratch(context, call.output, bytes);
  check_status<Op>(Op::run_cuda(call.desc, call.args, scratch.pointer(), bytes, stream));
}
#endif

}  // namespace vmamba::ort
