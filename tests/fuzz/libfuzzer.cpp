// main() of a native harness: libFuzzer, without clang. GCC calls a function on every edge, which
// counts here in a table that libFuzzer reads; comparisons it reports to libFuzzer itself.
#include <cstddef>
#include <cstdint>

#include "harness.h"

namespace {

uint8_t counters[1 << 16];

}  // namespace

extern "C" {

int LLVMFuzzerRunDriver(int *count, char ***arguments, int (*run)(const uint8_t *, size_t));
void __sanitizer_cov_8bit_counters_init(uint8_t *begin, uint8_t *end);

// By `ld --wrap`: libFuzzer's own function of that name does nothing.
void __wrap___sanitizer_cov_trace_pc() {
  const auto edge = reinterpret_cast<uintptr_t>(__builtin_return_address(0));
  uint8_t &counter = counters[(edge ^ edge >> 16) % sizeof(counters)];
  if (counter < UINT8_MAX) ++counter;
}
}

int main(int count, char **arguments) {
  __sanitizer_cov_8bit_counters_init(counters, counters + sizeof(counters));
  return LLVMFuzzerRunDriver(&count, &arguments, vmamba::tests::run_input);
}
