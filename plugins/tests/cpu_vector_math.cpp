// The special functions of the portable build, over their whole range.
#define VMAMBA_BUILD test_portable
#define VMAMBA_LANES 4
#include "cpu_vector_math_sweep.h"

int main() { return vmamba::test_portable::sweep() ? 0 : 1; }
