#include "cpu/dispatch.h"

#include <cstdlib>
#include <cstring>

#include "common/validate.h"

namespace vmamba {
namespace {

struct Candidate {
  const CpuBuild *build;
  bool supported;
};

struct Selection {
  const CpuBuild *build = nullptr;
  const char *problem = nullptr;
  const char *asked = "";
};

#if defined(__x86_64__)
constexpr const char *kExpected = "expected portable, avx2 or avx512";
#elif defined(__aarch64__)
constexpr const char *kExpected = "expected portable or neon";
#else
constexpr const char *kExpected = "expected portable";
#endif

Selection select() {
#if defined(__x86_64__)
  __builtin_cpu_init();
  const bool avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") &&
                    __builtin_cpu_supports("f16c");
  const bool avx512 = avx2 && __builtin_cpu_supports("avx512f") &&
                      __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512dq") &&
                      __builtin_cpu_supports("avx512vl");
  const Candidate best_first[] = {
      {&kAvx512Build, avx512}, {&kAvx2Build, avx2}, {&kPortableBuild, true}};
#elif defined(__aarch64__)
  const Candidate best_first[] = {{&kNeonBuild, true}, {&kPortableBuild, true}};
#else
  const Candidate best_first[] = {{&kPortableBuild, true}};
#endif
  Selection selection;
  const char *asked = std::getenv("VMAMBA_CPU_ISA");
  const bool any = asked == nullptr || *asked == '\0';
  for (const Candidate &candidate : best_first) {
    if (!any && std::strcmp(asked, candidate.build->name) != 0) continue;
    if (candidate.supported) {
      selection.build = candidate.build;
      return selection;
    }
    selection.problem = any ? nullptr : "this machine lacks these instructions";
  }
  if (selection.problem == nullptr) selection.problem = kExpected;
  static char name[32];
  std::strncpy(name, asked, sizeof(name) - 1);
  selection.asked = name;
  return selection;
}

}  // namespace

const CpuBuild *selected_build() {
  static const Selection selection = select();
  if (selection.build == nullptr) {
    fail(VMAMBA_UNSUPPORTED, "VMAMBA_CPU_ISA=%s: %s", selection.asked, selection.problem);
  }
  return selection.build;
}

}  // namespace vmamba

extern "C" const char *vmamba_cpu_isa(void) {
  const vmamba::CpuBuild *build = vmamba::selected_build();
  return build == nullptr ? "unsupported" : build->name;
}
