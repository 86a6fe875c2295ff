#include "register.h"

#include <string>

#include "ort_error.h"
#include "scan_op.h"

namespace vmamba::ort {

const OrtApi *api = nullptr;

namespace {

// One domain for all sessions of the process. It is never released: sessions that use it may
// outlive any static object.
OrtCustomOpDomain *make_domain() {
  OrtCustomOpDomain *domain = nullptr;
  check(api->CreateCustomOpDomain("vmamba", &domain));
  check(api->CustomOpDomain_Add(domain, cpu_scan_op()));
#ifdef VMAMBA_ORT_CUDA
  check(api->CustomOpDomain_Add(domain, cuda_scan_op()));
#endif
  return domain;
}

}  // namespace
}  // namespace vmamba::ort

OrtStatus *ORT_API_CALL RegisterCustomOps(OrtSessionOptions *options, const OrtApiBase *base) {
  using namespace vmamba::ort;
  const OrtApi *offered = base->GetApi(kOrtApiVersion);
  if (offered == nullptr) {
    // Without that interface only what every version has can be used: the first one's CreateStatus.
    const std::string text =
        std::string("libvmamba_ort.so needs ONNX Runtime 1.18 or newer, this is ") +
        base->GetVersionString();
    return base->GetApi(1)->CreateStatus(ORT_NOT_IMPLEMENTED, text.c_str());
  }
  api = offered;
  return guarded([&] {
    static OrtCustomOpDomain *const domain = make_domain();
    check(api->AddCustomOpDomain(options, domain));
  });
}
