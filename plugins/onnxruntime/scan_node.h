// One call of the op, on either execution provider. Errors inside this library are exceptions that
// carry an OrtStatus; none leaves it (see guarded).
#pragma once

#include <onnxruntime_c_api.h>

#include <cstdint>
#include <exception>
#include <new>
#include <string>
#include <utility>

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
    return api->CreateStatus(ORT_FAIL, "vmamba::SelectiveScan2D: out of memory");
  } catch (const std::exception &error) {
    return api->CreateStatus(ORT_RUNTIME_EXCEPTION, error.what());
  }
}

// The state of a node; its lifetime is the session's.
struct ScanNode {
  int32_t out_dtype;
};

// The CPU kernel on the threads of the session.
void compute_cpu(const ScanNode &node, OrtKernelContext *context);
// The CUDA kernel on the session's stream, its workspace from the session's allocator. It waits for
// no device and allocates nothing outside that allocator, so a CUDA graph can capture it.
void compute_cuda(const ScanNode &node, OrtKernelContext *context);

}  // namespace vmamba::ort
