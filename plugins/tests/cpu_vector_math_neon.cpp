// The special functions of the NEON build, over their whole range.
#include <cstdio>

#if defined(__aarch64__)

#define VMAMBA_BUILD test_neon
#define VMAMBA_LANES 4
#define VMAMBA_NEON 1
#include "cpu_vector_math_sweep.h"

int main() { return vmamba::test_neon::sweep() ? 0 : 1; }

#else

int main() {
  std::puts("skipped: needs aarch64");
  return 77;
}

#endif
