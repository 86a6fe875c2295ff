// What each native harness defines.
#pragma once

#include <cstddef>
#include <cstdint>

namespace vmamba::tests {

// Runs one input; returns 0. It ends the program where a promise is broken.
int run_input(const uint8_t *data, size_t size);

}  // namespace vmamba::tests
